// An HTTP/2 server over TLS that says each path back. Arguments: a certificate with its key, requests to serve.
const fs = require('fs');
const http2 = require('http2');

const pem = fs.readFileSync(process.argv[2]);
let left = Number(process.argv[3]);
const server = http2.createSecureServer({ key: pem, cert: pem }, (request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(`you asked for ${request.url}`, () => {
    left -= 1;
    if (left === 0) server.close();
  });
});
server.listen(0, '127.0.0.1', () => fs.writeFileSync('port', `${server.address().port}\n`));
