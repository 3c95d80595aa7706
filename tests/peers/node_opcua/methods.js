// What may be written and called, below Objects/Befehle: one variable of each type, some that refuse, methods.
"use strict";
const { StatusCodes } = require("node-opcua-status-code");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");

const VALUES = {
    Boolean: false, SByte: 0, Byte: 0, Int16: 0, UInt16: 0, Int32: 0, UInt32: 0, Int64: [0, 0], UInt64: [0, 0],
    Float: 0, Double: 0, String: "", DateTime: new Date(0), Guid: "00000000-0000-0000-0000-000000000000",
    ByteString: Buffer.alloc(0), LocalizedText: { locale: "de", text: "" },
};
const BOTH = "CurrentRead | CurrentWrite";

function addCommands(space, ns) {
    const top = ns.addObject({ organizedBy: "ObjectsFolder", browseName: "Befehle", nodeId: "s=Befehle" });
    const variable = (browseName, dataType, value, more) =>
        ns.addVariable({
            componentOf: top, browseName, nodeId: `s=Befehle.${browseName}`, dataType, accessLevel: BOTH,
            userAccessLevel: BOTH, value, ...more,
        });
    for (const [name, value] of Object.entries(VALUES)) {
        variable(name, name, new Variant({ dataType: DataType[name], arrayType: VariantArrayType.Scalar, value }));
    }
    const number = { dataType: DataType.Int32, value: 0 };
    variable("NurLesen", "Int32", number, { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" });
    variable("Verboten", "Int32", number, { userAccessLevel: "CurrentRead" });
    variable("Beliebig", "Number", { dataType: DataType.Int16, value: 7 });
    variable("Liste", "Int32", { dataType: DataType.Int32, arrayType: VariantArrayType.Array, value: [1, 2] }, { valueRank: 1 });
    // It takes an order and says that it does not, only when it is written.
    variable("Gesperrt", "Int32", {
        get: () => new Variant(number), set: (_value) => StatusCodes.BadInvalidState,
    });
    // It holds what it has, whatever is written.
    variable("Stur", "Int32", { get: () => new Variant(number), set: (_value) => StatusCodes.Good });
    const state = ns.addEnumerationType({ browseName: "BetriebsartType", enumeration: ["Aus", "Hand", "Automatik"] });
    variable("Betriebsart", state, number);
    ns.addAnalogDataItem({
        componentOf: top, browseName: "Drehzahl", nodeId: "s=Befehle.Drehzahl", dataType: "Float",
        engineeringUnitsRange: { low: 0, high: 3000 }, accessLevel: BOTH, userAccessLevel: BOTH,
        value: new Variant({ dataType: DataType.Float, value: 0 }),
    });
    addMethods(ns, top, state);
}

function addMethods(ns, top, state) {
    const argument = (name, dataType, valueRank = -1) => ({ name, dataType, valueRank, description: { text: name } });
    const method = (browseName, inputArguments, outputArguments, answer, more) =>
        ns.addMethod(top, { browseName, nodeId: `s=Befehle.${browseName}`, inputArguments, outputArguments, ...more })
            .bindMethod((inputs, _context, callback) => answer(inputs.map((each) => each.value), callback));
    const { Double, Int32, String: Text, UInt32, Boolean: Bit } = DataType;
    let calls = 0;
    method(
        "Starten", [argument("drehzahl", Double), argument("rezept", Text), argument("schritte", Int32, 1)],
        [argument("auftrag", UInt32), argument("summe", Int32), argument("rezept", Text)],
        ([, recipe, steps], callback) => callback(null, {
            statusCode: StatusCodes.Good,
            outputArguments: [
                { dataType: UInt32, value: ++calls },
                { dataType: Int32, value: Array.from(steps).reduce((sum, each) => sum + each, 0) },
                { dataType: Text, value: recipe },
            ],
        }),
    );
    method("Gezaehlt", [], [argument("aufrufe", UInt32)], (_inputs, callback) => callback(null, {
        statusCode: StatusCodes.Good, outputArguments: [{ dataType: UInt32, value: calls }],
    }));
    method("Umschalten", [argument("art", state.nodeId)], [argument("art", Int32)], ([value], callback) =>
        callback(null, { statusCode: StatusCodes.Good, outputArguments: [{ dataType: Int32, value }] }));
    method("Ablehnen", [argument("drehzahl", Double), argument("sicher", Bit)], [], (_inputs, callback) =>
        callback(null, {
            statusCode: StatusCodes.BadInvalidArgument,
            inputArgumentResults: [StatusCodes.BadOutOfRange, StatusCodes.Good],
        }));
    method("Langsam", [], [], (_inputs, callback) => {
        calls += 1;
        setTimeout(() => callback(null, { statusCode: StatusCodes.Good }), 3000);
    });
    method("Unerlaubt", [], [], (_inputs, callback) => callback(null, { statusCode: StatusCodes.BadUserAccessDenied }));
}

module.exports = { addCommands };
