// The recorded run, as encode.rs packed it: columns of numbers by line, and walks to causes and effects.

const NONE = 0, LEFT_OUT = 1, STEP = 2; // What a step is followed by; from STEP on, a step's number.
const TROUBLE = 1, INCOMING = 2;

async function unpack(id) {
  const text = document.getElementById(id).textContent.trim();
  const raw = atob(text);
  const packed = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) packed[at] = raw.charCodeAt(at);
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const utf8 = new TextDecoder();
  const header = JSON.parse(utf8.decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  const columns = {};
  for (const [name, how, count] of header.columns || []) {
    const values = new Float64Array(count);
    let before = 0;
    for (let row = 0; row < count; row++) {
      let value = 0, scale = 1, byte;
      do {
        byte = bytes[at++];
        value += (byte & 127) * scale;
        scale *= 128;
      } while (byte & 128);
      if (how !== "plain") value = value % 2 ? -(value + 1) / 2 : value / 2;
      if (how === "delta") value = before += value;
      values[row] = value;
    }
    columns[name] = values;
  }
  const texts = utf8.decode(bytes.subarray(at, at + (header.texts || 0)));
  const payloads = utf8.decode(bytes.subarray(at + (header.texts || 0)));
  return { header, columns, texts, payloads };
}

/** Where each text begins, from their lengths; one character stands between two. */
function starts(lengths) {
  const all = new Float64Array(lengths.length + 1);
  for (let row = 0; row < lengths.length; row++) all[row + 1] = all[row] + lengths[row] + 1;
  return all;
}

/** The sums of counts up to each row. */
function sums(counts) {
  const all = new Float64Array(counts.length + 1);
  for (let row = 0; row < counts.length; row++) all[row + 1] = all[row] + counts[row];
  return all;
}

/** The last position whose value is not above what is looked for, in ascending values. */
function lastAtMost(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= wanted) low = middle + 1; else high = middle;
  }
  return low - 1;
}

class Run {
  constructor({ header, columns, texts, payloads }) {
    Object.assign(this, header);
    this.columns = columns;
    this.texts = texts;
    this.payloads = payloads;
    this.count = columns.told.length;
    this.textStarts = starts(columns.text);
    this.payloadStarts = starts(columns.payload);
    this.atOnceStarts = sums(columns.atOnce);
    this.linkStarts = sums(columns.linkItems);
    this.processes = header.processes.map(
      ([number, parent, pid, name, command, started, ended, end, trouble]) =>
        ({ number, parent, pid, name, command, started, ended: ended ?? header.durationNs, end, trouble }));
    this.byNumber = new Map(this.processes.map((process) => [process.number, process]));
    this.connections = header.connections.map(([number, channel, from, to, lines]) =>
      ({ number, channel, from, to, lines }));
    this.byConnection = new Map(this.connections.map((one) => [one.number, one]));
    this.messages = 0;
    this.troubles = [];
    for (let at = 0; at < this.count; at++) {
      if (this.isMessage(at)) this.messages++;
      if (this.isTrouble(at)) this.troubles.push(at);
    }
  }

  text(at) { return this.texts.slice(this.textStarts[at], this.textStarts[at + 1] - 1); }
  payload(at) { return this.payloads.slice(this.payloadStarts[at], this.payloadStarts[at + 1] - 1); }
  kind(at) { return this.kinds[this.columns.kind[at]]; }
  isMessage(at) { return this.columns.connection[at] > 0; }
  isTrouble(at) { return (this.columns.flags[at] & TROUBLE) !== 0; }
  isIncoming(at) { return (this.columns.flags[at] & INCOMING) !== 0; }
  protocol(at) { return this.protocols[this.columns.protocol[at] - 1] || ""; }
  connection(at) { return this.columns.connection[at] - 1; }
  broken(at) { return this.words[this.columns.broken[at] - 1] || ""; }
  told(at) { return this.columns.told[at]; }
  time(at) { return this.columns.told[at] - this.columns.early[at]; }
  took(at) { return this.columns.took[at] - 1; }
  request(at) { return this.columns.answers[at] ? at - this.columns.answers[at] : -1; }

  streamName(stream) {
    const [process, task, main] = this.streams[stream];
    return main ? `p${process}` : `p${process}.t${task}`;
  }
  event(at) { return `${this.streamName(this.columns.stream[at])}:${this.columns.seq[at]}`; }
  received(at) {
    const stream = this.columns.receiver[at];
    return stream ? `${this.streamName(stream - 1)}:${this.columns.receivedSeq[at]}` : "";
  }
  /** When it had been received, or told: never before it was sent. */
  arrived(at) {
    const later = this.columns.receiver[at] ? this.columns.receivedLater[at] : 0;
    return this.columns.told[at] + Math.max(0, later);
  }
  process(at) { return this.streams[this.columns.stream[at]][0]; }
  /** The other end: a process's number, -1 for nobody, or -2 and below for somebody outside. */
  other(at) {
    const other = this.columns.other[at];
    if (!other) return -1;
    return other % 2 ? -2 - (other - 3) / 2 : (other - 2) / 2;
  }
  name(party) {
    if (party <= -2) return this.outsiders[-2 - party];
    const process = this.byNumber.get(party);
    return process ? process.name : `process[${party}]`;
  }
  /** Who did it, and of a message, who to (or from). */
  route(at) {
    const who = this.name(this.process(at));
    if (!this.isMessage(at)) return who;
    return `${who} ${this.isIncoming(at) ? "←" : "→"} ${this.name(this.other(at))}`;
  }

  /** Lines in which a text stands, whatever its case: in what they say, who to, or what they carry. */
  search(query) {
    const found = new Set();
    const wanted = new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "gi");
    for (const [all, begins] of [[this.texts, this.textStarts], [this.payloads, this.payloadStarts]]) {
      wanted.lastIndex = 0;
      let match;
      while ((match = wanted.exec(all))) {
        const at = lastAtMost(begins, match.index);
        found.add(at);
        wanted.lastIndex = begins[at + 1] ?? all.length; // Once is enough.
        if (!match[0].length) break;
      }
    }
    const names = new Map();
    const named = (party) => {
      if (!names.has(party)) names.set(party, this.name(party).search(new RegExp(wanted.source, "i")) >= 0);
      return names.get(party);
    };
    const lower = query.toLowerCase();
    for (let at = 0; at < this.count; at++) {
      if (this.isMessage(at) && (named(this.process(at)) || named(this.other(at)))) found.add(at);
    }
    if (/^p\d+(\.t\d+)?:\d+$/.test(lower)) {
      for (let at = 0; at < this.count; at++) {
        if (this.event(at) === lower || this.received(at) === lower) found.add(at);
      }
    }
    return Int32Array.from(found).sort();
  }

  /**
   * Lines that led to one, or that it led to, nearest first: the walk that `replay show` does, over the
   * steps that it walks. `leftOut` says whether it ran into what the page does not have.
   */
  walk(way, at, limit) {
    const columns = this.columns;
    const causes = way === "causes";
    const [links, beside, beyond] = causes
      ? [columns.causeLink, columns.causeBeside, columns.linkBack]
      : [columns.effectLink, columns.effectBeside, columns.linkOn];
    const ahead = new Heap(causes ? -1 : 1);
    const seen = new Set(), told = new Set(), items = [], itemsSeen = new Set();
    let leftOut = false;
    const go = (next) => {
      if (next === LEFT_OUT) leftOut = true;
      if (next >= STEP && !seen.has(next)) {
        seen.add(next);
        ahead.push(next - STEP);
      }
    };
    const tell = (link) => {
      if (told.has(link)) return;
      told.add(link);
      for (let one = this.linkStarts[link]; one < this.linkStarts[link + 1]; one++) {
        const item = columns.linkItemsAll[one];
        if (itemsSeen.has(item)) continue;
        itemsSeen.add(item);
        items.push(item);
      }
    };
    const start = columns[way][at];
    if (!causes) {
      for (let one = this.atOnceStarts[at]; one < this.atOnceStarts[at + 1]; one++) {
        tell(columns.atOnceLinks[one]);
        go(columns.linkOn[columns.atOnceLinks[one]]);
      }
    }
    go(start);
    while (ahead.size && items.length < limit) {
      const step = ahead.pop();
      tell(links[step]);
      go(beside[step]);
      go(beyond[links[step]]);
    }
    return { items, leftOut, more: ahead.size > 0 };
  }
}

/** Numbers, the smallest first, or with sign -1 the largest. */
class Heap {
  constructor(sign) { this.sign = sign; this.all = []; }
  get size() { return this.all.length; }
  push(value) {
    const all = this.all;
    let at = all.push(value * this.sign) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (all[above] <= all[at]) break;
      [all[above], all[at]] = [all[at], all[above]];
      at = above;
    }
  }
  pop() {
    const all = this.all, first = all[0], last = all.pop();
    if (all.length) {
      all[0] = last;
      for (let at = 0; ;) {
        let least = 2 * at + 1;
        if (least >= all.length) break;
        if (least + 1 < all.length && all[least + 1] < all[least]) least++;
        if (all[at] <= all[least]) break;
        [all[at], all[least]] = [all[least], all[at]];
        at = least;
      }
    }
    return first * this.sign;
  }
}

/** Seconds with microseconds, as `replay show` writes them. */
function seconds(ns) { return (ns / 1e9).toFixed(6); }

function duration(ns) {
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} µs`;
  if (ns < 1e9) return `${(ns / 1e6).toFixed(2)} ms`;
  return `${(ns / 1e9).toFixed(3)} s`;
}

function counted(count, one, many = one + "s") {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
