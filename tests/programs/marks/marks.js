// Makes each kind of mark, about bytes that differ from run to run.
const { createHash } = require("node:crypto");
const { existsSync } = require("node:fs");

const mark = (kind, ...words) => existsSync("/.reenact/mark/" + [kind, ...words.map(encodeURIComponent)].join("/"));
const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");

mark("phase", "load");
const now = `${process.hrtime.bigint()} in process ${process.pid}`;
mark("note", "hello, 50% of it: é");
mark("checksum", "users/all", sum("id 1, id 2\n"));
mark("checksum", "now", sum(now));
console.log(now);
