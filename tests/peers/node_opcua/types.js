// What a tag can be beside one value of a built-in type: structures, arrays, matrices, deadbands, two states.
//
// Below Objects/Typen, in a namespace of its own; the data types stand in types.xml.
"use strict";
const path = require("path");
const { ensureDatatypeExtracted } = require("node-opcua-address-space");
const { nodesets } = require("node-opcua-nodesets");
const { Range } = require("node-opcua-data-access");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");

const URI = "http://acme.example/Typen";
exports.nodesets = [nodesets.standard, path.join(__dirname, "types.xml")];

exports.fill = async function fill(space) {
    await ensureDatatypeExtracted(space);
    const ns = space.getNamespace(URI);
    const folder = ns.addFolder("ObjectsFolder", { browseName: "Typen", nodeId: "s=Typen" });
    const add = (browseName, dataType, value, more) =>
        ns.addVariable({ componentOf: folder, browseName, nodeId: `s=${browseName}`, dataType, value, minimumSamplingInterval: 50, ...more });
    const made = (name, fields) => space.constructExtensionObject(ns.findDataType(name), fields);
    const structure = (name, type, fields) =>
        add(name, ns.findDataType(type), { dataType: DataType.ExtensionObject, value: made(type, fields) });

    const fields = {
        name: "A1", drehzahl: 1480.5, zustand: 2, laufzeit: 1500, ort: { x: 1.5, y: -2 }, grenzen: [0.5, 2.5],
        bahn: [{ x: 1, y: 2 }, { x: 3, y: 4 }], seit: new Date(Date.UTC(2026, 0, 2)), text: { locale: "de", text: "läuft" },
    };
    const axis = structure("Achse", "Achse", fields);
    structure("Lose", "Lose", { fest: -3, danach: 7 });
    structure("Wort", "EinsVon", { wort: "eins" });
    add("Achsen", ns.findDataType("Punkt"), {
        dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array,
        value: [made("Punkt", { x: 10, y: 11 }), made("Punkt", { x: 20, y: 21 })],
    }, { valueRank: 1 });
    const series = add("Reihe", "Int16", {
        dataType: DataType.Int16, arrayType: VariantArrayType.Array, value: Int16Array.from([1, -2, 3, -4, 5]),
    }, { valueRank: 1 });
    add("Matrix", "Double", {
        dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions: [2, 3],
        value: Float64Array.from([1, 2, 3, 4, 5, 6]),
    }, { valueRank: 2, arrayDimensions: [2, 3] });
    add("Wörter", "String", {
        dataType: DataType.String, arrayType: VariantArrayType.Array, value: ["null", "eins"],
    }, { valueRank: 1 });
    add("Zustände", ns.findDataType("Zustand"), { dataType: DataType.Int32, value: 1 });
    ns.addTwoStateDiscrete({ componentOf: folder, browseName: "Tür", nodeId: "s=Tür", trueState: "auf", falseState: "zu", value: true });
    const level = ns.addAnalogDataItem({
        componentOf: folder, browseName: "Füllstand", nodeId: "s=Füllstand", dataType: "Double",
        engineeringUnitsRange: { low: 0, high: 200 }, minimumSamplingInterval: 50,
        value: new Variant({ dataType: DataType.Double, value: 100 }),
    });

    // Its range is another one every second, which is what the bit SemanticsChanged says.
    const moving = ns.addAnalogDataItem({
        componentOf: folder, browseName: "Bereich", nodeId: "s=Bereich", dataType: "Double",
        engineeringUnitsRange: { low: 0, high: 100 }, minimumSamplingInterval: 50,
        value: new Variant({ dataType: DataType.Double, value: 5 }),
    });

    let ticks = 0;
    setInterval(() => {
        ticks += 1;
        if (ticks % 10 === 0) {
            const range = new Range({ low: 0, high: ticks % 20 ? 1000 : 100 });
            moving.euRange.setValueFromSource({ dataType: DataType.ExtensionObject, value: range });
            moving.handle_semantic_changed();
        }
        moving.setValueFromSource({ dataType: DataType.Double, value: ticks % 10 });
        // The level climbs by 1 each 100 ms, from 100 to 119, and falls back.
        level.setValueFromSource({ dataType: DataType.Double, value: 100 + (ticks % 20) });
        axis.setValueFromSource({ dataType: DataType.ExtensionObject, value: made("Achse", { ...fields, drehzahl: 1480.5 + (ticks % 4) }) });
        series.setValueFromSource({
            dataType: DataType.Int16, arrayType: VariantArrayType.Array, value: Int16Array.from([1, -2, 3, -4, 5 + (ticks % 4)]),
        });
    }, 100).unref();
};
