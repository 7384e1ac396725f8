// A service over HTTP that hands jobs to a worker over a unix socket, and its client: three processes.
// PLANT names what one run does otherwise.
const fs = require("fs");
const http = require("http");
const net = require("net");
const { spawn } = require("child_process");

const plant = process.env.PLANT || "";
const limit = Number(process.env.LIMIT || 100);
const now = () => new Date(Date.now() + (plant === "clock" ? 3600 * 1000 : 0));
const lines = (stream, each) => {
  let rest = "";
  stream.on("data", (data) => {
    const all = (rest + data).split("\n");
    rest = all.pop();
    all.forEach((line) => each(JSON.parse(line)));
  });
};

// Keeps each job on the disk before it says that it is done.
function worker() {
  const disk = fs.openSync("jobs", "a");
  let sum = 0;
  const server = net.createServer((socket) => lines(socket, (job) => {
    fs.writeSync(disk, `${job.number}\n`);
    fs.fsyncSync(disk);
    sum = Math.min(limit, sum * 2 + job.number);
    socket.write(JSON.stringify({ number: job.number, sum }) + "\n");
  }));
  server.listen("worker.sock");
}

function service() {
  const socket = net.connect("worker.sock");
  const waiting = new Map();
  lines(socket, (done) => waiting.get(done.number)(done));
  const server = http.createServer((request, response) => {
    const number = Number(request.url.slice("/job/".length));
    waiting.set(number, (done) => {
      if (plant === "payload" && number === 2) done.sum += 1;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ ...done, at: now().toISOString() }));
    });
    const job = { number };
    if (plant !== "drop" || number !== 4) socket.write(JSON.stringify(job) + "\n");
    else waiting.get(number)({ number, sum: 0 });
  });
  server.listen(0, "127.0.0.1", () => {
    fs.writeFileSync("port.tmp", String(server.address().port));
    fs.renameSync("port.tmp", "port");
  });
}

async function client() {
  const port = fs.readFileSync("port", "utf8");
  const ask = (number) => new Promise((resolve) => {
    const request = http.get({ host: "127.0.0.1", port, path: `/job/${number}`, agent: false, timeout: 400 }, (response) => {
      let text = "";
      response.on("data", (data) => { text += data; });
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("timeout", () => { request.destroy(); resolve(ask(number)); });
    request.on("error", () => {});
  });
  for (const number of [1, 2, 3, 4]) console.log(number, (await ask(number)).sum);
  if (plant === "exit") process.exitCode = 3;
}

async function main() {
  const part = (name) => spawn(process.execPath, [__filename, name], { stdio: "inherit" });
  const there = async (file) => {
    for (let i = 0; i < 500 && !fs.existsSync(file); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const parts = [part("worker")];
  await there("worker.sock");
  parts.push(part("service"));
  await there("port");
  const asking = part("client");
  asking.on("exit", (code, signal) => {
    parts.forEach((one) => one.kill("SIGKILL"));
    process.exitCode = code === null ? 1 : code;
  });
}

({ worker, service, client }[process.argv[2]] || main)();
