// The stock of the shop: knows prices and what is left, over gRPC. Prints what it did when it is told
// to end. Writes its port to the file stock.port.
const fs = require("fs");
const path = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const prices = { apples: 3, pears: 4, plums: 5, figs: 7 };
const left = { apples: 100000, pears: 100000, plums: 100000, figs: 100000 };
let handled = 0;

const file = path.join(__dirname, "stock.proto");
const { shop } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, longs: Number }));
const server = new grpc.Server();
server.addService(shop.Stock.service, {
  reserve({ request }, reply) {
    handled += 1;
    if (!(request.item in prices)) {
      reply({ code: grpc.status.NOT_FOUND, details: `no ${request.item} here` });
      return;
    }
    left[request.item] -= request.count;
    reply(null, { order: request.order, price: prices[request.item], left: left[request.item] });
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  fs.writeFileSync("stock.tmp", `${port}\n`);
  fs.renameSync("stock.tmp", "stock.port");
});
process.on("SIGTERM", () => {
  console.log(`stock handled ${handled}`);
  server.forceShutdown();
  process.exit(0);
});
