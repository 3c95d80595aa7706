// An OPC UA server of node-opcua: what a machine may show, by a stack that is not asyncua.
//
//   NODE_PATH=.../node_modules node server.js FOLDER
//
// FOLDER takes its certificate. It listens on a free port of 127.0.0.1, says `port NUMBER` on stdout, where its
// library may say more, and ends when its stdin is closed. What is ours is in one namespace, below Objects/Halle Süd.
"use strict";
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { standardUnits } = require("node-opcua-data-access");
const { coerceNodeId } = require("node-opcua-nodeid");
const { StatusCodes } = require("node-opcua-status-code");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");

const types = require("./types.js");

const URI = "http://acme.example/Anlage Süd/Fräse 1";

// One of each built-in type; the values are those that tests expect.
const SCALARS = {
    Boolean: true,
    SByte: -7,
    Byte: 200,
    Int16: -3000,
    UInt16: 60000,
    Int32: -2000000000,
    UInt32: 4000000000,
    Int64: [0x1fffff, 0xffffffff], // 2 ** 53 - 1
    UInt64: [0xffffffff, 0xfffffffe], // 2 ** 64 - 2
    Float: 0.5,
    Double: 3.141592653589793,
    String: "Grüße: {a}, 'b' # c",
    DateTime: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
    Guid: "12345678-1234-1234-1234-123456789ABC",
    ByteString: Buffer.from("edge"),
    LocalizedText: { locale: "de", text: "Betrieb" },
    XmlElement: "<a/>",
    NodeId: coerceNodeId("i=85"),
    ExpandedNodeId: coerceNodeId("i=85"),
    StatusCode: StatusCodes.Good,
    QualifiedName: { namespaceIndex: 0, name: "q" },
};

function fill(space, ns) {
    const hall = ns.addFolder("ObjectsFolder", { browseName: "Halle Süd", nodeId: "s=Halle" });
    const scalars = ns.addObject({ organizedBy: hall, browseName: "Alle Typen", nodeId: "i=5000" });
    for (const [dataType, value] of Object.entries(SCALARS)) {
        ns.addVariable({
            componentOf: scalars, browseName: `ein ${dataType}`, nodeId: `s="Typen".${dataType}`, dataType,
            value: new Variant({ dataType: DataType[dataType], arrayType: VariantArrayType.Scalar, value }),
        });
    }
    ns.addVariable({
        componentOf: scalars, browseName: "Werte", nodeId: "b=Zm9v", dataType: "Float", valueRank: 1,
        value: new Variant({ dataType: DataType.Float, arrayType: VariantArrayType.Array, value: [1, 2.5, 4] }),
    });

    const type = ns.addObjectType({ browseName: "AchseType" });
    ns.addVariable({
        componentOf: type, browseName: "IstDrehzahl", dataType: "Double", modellingRule: "Mandatory",
        value: { dataType: DataType.Double, value: 0 },
    });
    for (const [number, speed] of [[1, 1480.5], [2, -20]]) {
        const axis = type.instantiate({ organizedBy: hall, browseName: `Achse/${number}`, nodeId: `i=${6000 + number}` });
        axis.istDrehzahl.setValueFromSource({ dataType: DataType.Double, value: speed });
    }

    const motor = ns.addObject({ organizedBy: hall, browseName: "Öl-Pumpe & Motor" });
    const measured = (browseName, dataType, value, low, high, unit) =>
        ns.addAnalogDataItem({
            componentOf: motor, browseName, nodeId: `s=${browseName}`, dataType, engineeringUnitsRange: { low, high },
            engineeringUnits: unit, value: new Variant({ dataType: DataType[dataType], value }),
        });
    const temperature = measured("Öl-Temperatur", "Float", 61.25, -40, 150, standardUnits.degree_celsius);
    measured("Druck", "Double", 1e-7, 1e-9, 400, standardUnits.bar);
    const odd = { namespaceUri: "urn:acme:units", unitId: 4408652, displayName: "Zähne", description: "" };
    measured("Zähne", "UInt16", 17, 0, 0, odd);
    const state = ns.addEnumerationType({
        browseName: "ZustandType", enumeration: ["off", "no", "1:30", "läuft"],
    });
    ns.addVariable({
        componentOf: motor, browseName: "Zustand", nodeId: "s=Zustand", dataType: state, minimumSamplingInterval: 50,
        value: { dataType: DataType.Int32, value: 3 },
    });
    ns.addMultiStateDiscrete({
        componentOf: motor, browseName: "Stufe", nodeId: "g=00000000-0000-0000-0000-00000000000a",
        enumStrings: ["null", "eins"], value: 1,
    });
    ns.addVariable({
        componentOf: motor, browseName: "Sollwert", nodeId: "s=Soll;wert", dataType: "Double",
        accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite",
        value: { dataType: DataType.Double, value: 12.5 },
    });
    ns.addVariable({
        componentOf: motor, browseName: "Geheim", nodeId: "s=Geheim", dataType: "Int32",
        accessLevel: "CurrentWrite", userAccessLevel: "CurrentWrite", value: { dataType: DataType.Int32, value: 1 },
    });
    ns.addVariable({
        componentOf: motor, browseName: "Zahl", nodeId: "s=Zahl", dataType: "Number",
        value: { dataType: DataType.Int16, value: 42 },
    });
    ns.addMethod(motor, { browseName: "Quittieren", nodeId: "s=Quittieren" }).bindMethod(
        (_inputs, _context, callback) => callback(null, { statusCode: StatusCodes.Good }),
    );
    motor.addReference({ referenceType: "Organizes", nodeId: hall }); // a loop
    let ticks = 0;
    setInterval(() => {
        ticks += 1;
        temperature.setValueFromSource({ dataType: DataType.Float, value: 61.25 + 0.25 * (ticks % 4) });
    }, 100).unref();
}

async function main(folder) {
    const certificates = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    const server = new OPCUAServer({
        nodeset_filename: types.nodesets,
        port: 0, host: "127.0.0.1", serverCertificateManager: certificates, allowAnonymous: true,
        buildInfo: { manufacturerName: "Acme GmbH", productName: "Fräse", buildNumber: "7", softwareVersion: "2.1" },
        serverCapabilities: { operationLimits: { maxNodesPerBrowse: 7, maxNodesPerRead: 9 } },
    });
    await server.initialize();
    fill(server.engine.addressSpace, server.engine.addressSpace.registerNamespace(URI));
    await types.fill(server.engine.addressSpace);
    require("./alarms").addAlarms(server.engine.addressSpace, server.engine.addressSpace.getNamespace(URI));
    require("./methods").addCommands(server.engine.addressSpace, server.engine.addressSpace.getNamespace(URI));
    await server.start();
    process.stdout.write(`port ${server.endpoints[0].port}\n`);
    process.stdin.resume().on("end", async () => {
        await server.shutdown(0);
        process.exit(0);
    });
}

main(process.argv[2]).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
