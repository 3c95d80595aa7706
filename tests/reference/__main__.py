"""Write every generated file: `./dev docs`."""

from tests.reference.pages import files

for path, text in files().items():
    path.write_text(text)
