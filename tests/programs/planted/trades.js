// Tells two subscribers of trades, over Redis; each of them sums up what it is told.
const net = require('net');

const [, , port, role] = process.argv;
const plant = process.env.PLANT;
const trades = ['5@10', '3@11', plant === 'payload' ? '8@19' : '8@9', '2@12', '6@10', 'end'];
if (plant === 'drop') trades.splice(3, 1);

function connect(hear) {
    const socket = net.connect(+port, '127.0.0.1');
    let said = '';
    socket.on('data', data => { said += data; said = hear(said) ?? said; });
    return {
        ask: (...words) => socket.write(
            `*${words.length}\r\n` + words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')),
        end: () => socket.end(),
    };
}

function publish() {
    let next = 0;
    const redis = connect(said => {
        if (!said.endsWith('\r\n')) return said;
        if (next === trades.length) redis.end();
        else setTimeout(() => redis.ask('PUBLISH', 'trades', trades[next++]), 20);
        return '';
    });
    redis.ask('PUBLISH', 'trades', trades[next++]);
}

function subscribe() {
    const sums = connect(said => { if (said.endsWith('\r\n')) sums.end(); });
    const redis = connect(said => {
        if (said.includes('subscribe') && said.endsWith('\r\n') && !said.includes('message')) {
            require('fs').writeFileSync(process.argv[4], '');
        }
        if (!said.includes('\r\nend\r\n')) return said;
        const all = [...said.matchAll(/\r\n(\d+)@(\d+)\r\n/g)];
        const sum = all.reduce((sum, [, many, price]) => sum + many * price, 0);
        const times = plant === 'double' && role === 'risk' ? 2 : 1;
        for (let time = 0; time < times; time++) sums.ask('INCRBY', 'total', String(sum));
        redis.end();
    });
    redis.ask('SUBSCRIBE', 'trades');
}

if (role === 'publish') publish(); else subscribe();
