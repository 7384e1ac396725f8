// Charges each day's fee once its settlement has begun, while it holds the ledger's lock.
//
// Runs until it is ended, or something fails (exit status 1).
"use strict";
const http = require("node:http");
const path = require("node:path");
const { parseArgs } = require("node:util");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const LOCK = { lock: "ledger", holder: "fees" };
const TTL_MS = 210;
const FEE = 15;

const { values: args } = parseArgs({ options: { node: { type: "string" }, bank: { type: "string" } } });
const { Locks } = grpc.loadPackageDefinition(loader.loadSync(path.join(__dirname, "locks.proto"))).locks.v1;
const locks = new Locks(args.node, grpc.credentials.createInsecure());
const agent = new http.Agent({ keepAlive: true });

const call = (method, request) =>
    new Promise((resolve, reject) => {
        locks[method](request, (error, reply) => (error ? reject(error) : resolve(reply)));
    });

const ask = (method, path, value) =>
    new Promise((resolve, reject) => {
        const request = http.request(`http://${args.bank}${path}`, { method, agent }, (reply) => {
            let body = "";
            reply.setEncoding("utf8");
            reply.on("data", (text) => (body += text));
            reply.on("end", () => {
                resolve({ status: reply.statusCode, value: JSON.parse(body) });
            });
        });
        request.on("error", reject);
        request.end(value === undefined ? undefined : JSON.stringify(value));
    });

async function main() {
    await new Promise((resolve, reject) => {
        locks.waitForReady(Date.now() + 30_000, (error) => (error ? reject(error) : resolve()));
    });
    console.log("fees: ready");
    for (let day = 1; ; day++) {
        await ask("GET", `/day/${day}`);
        while (!(await charge())) console.log("fees: the lock was lost; starting over");
        console.log(`fees: charged for day ${day}`);
    }
}

// One try; false if the lock was lost, and with it what was entered.
async function charge() {
    // Counted from before the lock was given: it is ours for longer than that.
    const ends = Date.now() + TTL_MS;
    const grant = await call("Acquire", { ...LOCK, ttlMs: TTL_MS });
    console.log(`fees: turn ${grant.turn}${grant.lapsed ? ", after one whose lease lapsed" : ""}`);
    const { status, value } = await ask("POST", "/ledger/fee", { who: LOCK.holder, amount: FEE });
    if (status === 409 && Date.now() >= ends) return false;
    if (status !== 200) throw new Error(`it holds the lock, but the bank says ${status}: ${value.error}`);
    await call("Release", LOCK);
    return true;
}

main().catch((error) => {
    console.error(`fees: ${error.message}`);
    process.exit(1);
});
