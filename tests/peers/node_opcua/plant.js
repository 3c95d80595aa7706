// A plant of node-opcua that fails on demand: the values of the simulated PLC, by a stack that is not asyncua.
//
//   NODE_PATH=.../node_modules node plant.js FOLDER OPTIONS
//
// FOLDER takes its certificate. OPTIONS are JSON: `uri` of the namespace of all nodes, `nodes` (their types by name;
// the ids are s=NAME), `tick_ms`, and what goes wrong:
//   before    URIs that get their indexes first           missing   names of nodes that are not there
//   late_s    after so long the nodes named in `late`     limits    {read, items, browse, translate, register}, and
//             are there                                             `told`: whether the server says so
//   sessions  so many at once                             ahead_s   so far ahead is the clock of the process
//   history   whether it keeps what it told
// Anybody is let in, and the user edge with his password. It listens on a free port of 127.0.0.1 and says
// `> {"port": NUMBER}` on stdout, where its library may say more. It obeys lines on stdin, answers each with such a
// line, and ends when its stdin is closed:
//   count     sessions and subscriptions there are        stand     the values stand still from now on
//   step      one tick while they stand
"use strict";
const [folder, text] = process.argv.slice(2);
const options = JSON.parse(text);
const AHEAD_MS = (options.ahead_s ?? 0) * 1000;
const trueNow = Date.now.bind(Date);
if (AHEAD_MS) {
    const True = Date;
    globalThis.Date = class extends True {
        constructor(...parts) {
            super(...(parts.length ? parts : [trueNow() + AHEAD_MS]));
        }
        static now() {
            return trueNow() + AHEAD_MS;
        }
    };
}

const { createInterface } = require("node:readline");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { StatusCodes } = require("node-opcua-status-code");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");

const [USER, PASSWORD] = ["edge", "geheim-4711"];
const TICKS = 4096; // until all values come round again
const HISTORY = 5000; // values of a node that are kept
const TOLD = {
    read: [11705, "maxNodesPerRead"],
    items: [11714, "maxMonitoredItemsPerCall"],
    browse: [11710, "maxNodesPerBrowse"],
    translate: [11712, "maxNodesPerTranslateBrowsePathsToNodeIds"],
    register: [11711, "maxNodesPerRegisterNodes"],
};

class Values {
    // Every node holds its index (from 1, by its place among all) * 4096 + the tick.
    constructor(ns) {
        this.ns = ns;
        this.nodes = new Map();
        this.indexes = new Map(Object.keys(options.nodes).map((name, at) => [name, at + 1]));
        this.tick = this.present();
        this.stands = false;
        setInterval(() => this.go(), 5).unref();
    }

    present() {
        return Math.floor(trueNow() / options.tick_ms);
    }

    go() {
        // Each tick is told, also when the process is late.
        for (const last = this.present(); !this.stands && this.tick < last; ) this.step();
    }

    step() {
        this.tick += 1;
        for (const [name, node] of this.nodes) this.tell(name, node);
    }

    tell(name, node) {
        const dataType = DataType[options.nodes[name]];
        const value = this.indexes.get(name) * TICKS + (this.tick % TICKS);
        const time = new Date(this.tick * options.tick_ms + AHEAD_MS);
        node.setValueFromSource({ dataType, arrayType: VariantArrayType.Scalar, value }, StatusCodes.Good, time);
    }

    add(name, space) {
        const node = this.ns.addVariable({
            organizedBy: "ObjectsFolder", browseName: name, nodeId: `s=${name}`, dataType: options.nodes[name],
            minimumSamplingInterval: 0, // each value is a sample
        });
        this.tell(name, node);
        if (options.history) space.installHistoricalDataNode(node, { maxOnlineValues: HISTORY });
        this.nodes.set(name, node);
    }
}

function limit(space) {
    // The library tells what it keeps. Untold, it keeps it all the same.
    if (options.limits === undefined || options.limits.told) return;
    for (const [service, [id]] of Object.entries(TOLD)) {
        if (!options.limits[service]) continue;
        const get = () => new Variant({ dataType: DataType.UInt32, value: 0 });
        space.findNode(`i=${id}`).bindVariable({ get }, true);
    }
}

async function main() {
    const certificates = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
    const operationLimits = {};
    for (const [service, [, name]] of Object.entries(TOLD)) {
        if (options.limits?.[service]) operationLimits[name] = options.limits[service];
    }
    const server = new OPCUAServer({
        port: 0, host: "127.0.0.1", serverCertificateManager: certificates, allowAnonymous: true,
        userManager: { isValidUser: (name, password) => name === USER && password === PASSWORD },
        serverCapabilities: { operationLimits, maxSessions: options.sessions || 100 },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    for (const uri of options.before ?? []) space.registerNamespace(uri);
    const values = new Values(space.registerNamespace(options.uri));
    const late = new Set(options.late ?? []);
    for (const name of Object.keys(options.nodes)) {
        if (!late.has(name) && !(options.missing ?? []).includes(name)) values.add(name, space);
    }
    limit(space);
    await server.start();
    const say = (what) => process.stdout.write(`> ${JSON.stringify(what)}\n`);
    setTimeout(() => late.forEach((name) => values.add(name, space)), (options.late_s ?? 0) * 1000).unref();
    const obey = {
        count: () => ({ sessions: server.currentSessionCount, subscriptions: server.currentSubscriptionCount }),
        stand: () => ({ stands: (values.stands = true) }),
        step: () => {
            values.step();
            return { tick: values.tick };
        },
    };
    say({ port: server.endpoints[0].port });
    const lines = createInterface({ input: process.stdin });
    lines.on("line", (line) => say(obey[line] ? obey[line]() : { error: `cannot do ${line}` }));
    lines.on("close", () => process.exit(0));
}

main().catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
