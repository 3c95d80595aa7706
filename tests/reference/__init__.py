"""The reference pages and the schema files, made from the models: `./dev docs` writes them."""
