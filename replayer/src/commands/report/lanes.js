// Where things stand: which lane a process has, and how far down each line is.

const LANES_OUTSIDE_MAX = 6;

/** A program's name without the process's number. */
function program(name) { return name.replace(/\[\d+\]$/, ""); }

/**
 * Lanes of a run. A process that talks over sockets, marks something or dies of a signal has a lane of
 * its own; processes of one program and parent that ran one after another share one; what is left,
 * commands that a script runs, share one per parent, unless `options.helpers` asks for each of them.
 */
function lanesOf(run, options) {
  const talks = new Set(), pipes = new Set();
  for (let at = 0; at < run.count; at++) {
    const process = run.process(at), other = run.other(at);
    if (run.isMessage(at)) {
      const kind = run.byConnection.get(run.connection(at))?.channel;
      const to = kind === "pipe" || kind === "fifo" ? pipes : talks;
      to.add(process);
      if (other >= 0) to.add(other);
    } else if (["mark", "fault", "killed", "listen", "gap"].includes(run.kind(at))) {
      talks.add(process);
    }
  }
  // Where nobody talks but over pipes, that is the story.
  if (!talks.size) pipes.forEach((process) => talks.add(process));
  const lanes = [], of = new Map(), shared = new Map();
  const isRoot = (process) => !run.byNumber.has(process.parent);
  const hasOwn = (process) => isRoot(process) || talks.has(process.number) || options.helpers;
  /** Whom a process does its work for: the nearest one above it that has a lane of its own. */
  const master = (process) => {
    let above = run.byNumber.get(process.parent);
    while (above && !hasOwn(above) && above.parent < above.number) above = run.byNumber.get(above.parent);
    return above?.number;
  };
  const open = (title, process, kind) => {
    const lane = { title, members: [], kind, order: process.number };
    lanes.push(lane);
    return lane;
  };
  const join = (lane, process) => {
    lane.members.push(process);
    of.set(process.number, lane);
  };
  for (const process of run.processes) {
    if (hasOwn(process)) {
      const key = `${process.parent} ${program(process.name)}`;
      const rows = shared.get(key) || [];
      shared.set(key, rows);
      const free = options.helpers ? undefined
        : rows.find((lane) => lane.members.at(-1).ended <= process.started);
      const lane = free || open(process.name, process, "process");
      if (!free) rows.push(lane);
      join(lane, process);
    } else {
      const key = `helpers ${master(process)}`;
      if (!shared.has(key)) {
        shared.set(key, open("", process, "helpers"));
        shared.get(key).master = master(process);
      }
      join(shared.get(key), process);
    }
  }
  for (const lane of lanes) {
    const [first] = lane.members;
    if (lane.members.length === 1) lane.title = first.name;
    else if (lane.kind === "helpers") lane.title = `helpers of ${run.name(lane.master)}`;
    else lane.title = program(first.name);
    lane.detail = lane.members.length > 1 ? counted(lane.members.length, "process", "processes") : "";
  }
  lanes.sort((a, b) => (a.kind === "helpers") - (b.kind === "helpers") || a.order - b.order);
  return withOutsiders(run, lanes, of);
}

/** Adds lanes for who is not recorded. */
function withOutsiders(run, lanes, of) {
  const few = run.outsiders.length <= LANES_OUTSIDE_MAX;
  let one = null;
  run.outsiders.forEach((name, at) => {
    let lane = few ? null : one;
    if (!lane) {
      lane = { title: few ? name : "outside", members: [], kind: "outside", detail: few ? "not recorded"
        : counted(run.outsiders.length, "address", "addresses") };
      lanes.push(lane);
      one = lane;
    }
    of.set(-2 - at, lane);
  });
  lanes.forEach((lane, index) => { lane.index = index; });
  return { lanes, of };
}

/** Lanes of a second run in the places of those of a first one; what has no pair comes behind. */
function alignedLanes(runs, pairs, options) {
  const first = lanesOf(runs[0], options), second = lanesOf(runs[1], options);
  const twin = new Map(pairs.map(([a, b]) => [b, a]));
  const lanes = first.lanes.map((lane) => ({ ...lane, members: [[...lane.members], []] }));
  const of = [new Map(), new Map()];
  for (const [party, lane] of first.of) of[0].set(party, lanes[lane.index]);
  const moved = new Map();
  for (const lane of second.lanes) {
    for (const process of lane.members) {
      let target = of[0].get(twin.get(process.number));
      if (!target) {
        target = moved.get(lane) || { ...lane, members: [[], []] };
        if (!moved.has(lane)) lanes.push(target);
        moved.set(lane, target);
      }
      target.members[1].push(process);
      of[1].set(process.number, target);
    }
    if (lane.kind === "outside") {
      const same = lanes.find((one) => one.kind === "outside" && one.title === lane.title) ||
        lanes.find((one) => one.kind === "outside" && !one.taken);
      const target = same || { ...lane, members: [[], []] };
      if (!same) lanes.push(target);
      target.taken = true;
      for (const [party, own] of second.of) if (own === lane) of[1].set(party, target);
    }
  }
  lanes.forEach((lane, index) => { lane.index = index; });
  return [0, 1].map((side) => {
    const own = lanes.map((lane) => ({ ...lane, members: lane.members[side] }));
    return { lanes: own, of: new Map([...of[side]].map(([party, lane]) => [party, own[lane.index]])) };
  });
}

/**
 * How far down each line begins and ends, in rows. `even` gives every line a row of its own and pauses
 * a little more; otherwise rows are in proportion to time. Only lines for which `shown` holds have
 * a place.
 */
class Rows {
  constructor(run, shown, even) {
    const items = [];
    for (let at = 0; at < run.count; at++) if (shown(at)) items.push(at);
    this.items = Int32Array.from(items);
    this.begin = new Float64Array(run.count).fill(NaN);
    this.end = new Float64Array(run.count).fill(NaN);
    const arrives = this.items.filter((at) => run.columns.receiver[at] > 0);
    arrives.sort((a, b) => run.arrived(a) - run.arrived(b) || a - b);
    const points = items.length + arrives.length;
    this.times = new Float64Array(points);
    this.rows = new Float64Array(points);
    this.pauses = [];
    const scale = even ? 0 : Math.max(points, 40) / Math.max(run.durationNs, 1);
    let row = 1, before = 0, sent = 0, got = 0;
    for (let point = 0; point < points; point++) {
      const at = this.items[sent], to = arrives[got];
      const arrival = got < arrives.length && (sent >= items.length || run.arrived(to) <= run.told(at) && to < at);
      const now = Math.max(arrival ? run.arrived(to) : run.told(at), before);
      if (even) {
        const pause = pauseRows(now - before);
        if (pause && point) this.pauses.push([row + 0.5, row + 0.5 + pause, now - before]);
        row += (point ? (arrival ? 0.4 : 1) : 0) + pause;
      } else {
        row = 1 + now * scale;
      }
      before = now;
      this.times[point] = now;
      this.rows[point] = row;
      if (arrival) this.end[arrives[got++]] = row;
      else this.begin[this.items[sent++]] = row;
    }
    for (const at of items) if (Number.isNaN(this.end[at])) this.end[at] = this.begin[at];
    this.total = row + 2;
    this.block();
  }

  /** The lowest end of each stretch of lines, so that what reaches into a view is found fast. */
  block() {
    this.deepest = new Float64Array(Math.ceil(this.items.length / 128));
    this.items.forEach((at, index) => {
      const block = index >> 7;
      this.deepest[block] = Math.max(this.deepest[block], this.end[at]);
    });
    this.begins = Float64Array.from(this.items, (at) => this.begin[at]);
  }

  /** Calls back for each line of which something lies between two rows. */
  between(top, bottom, each) {
    const last = lastAtMost(this.begins, bottom);
    for (let block = 0; block < this.deepest.length && block * 128 <= last; block++) {
      if (this.deepest[block] < top) continue;
      const end = Math.min(last + 1, (block + 1) * 128);
      for (let index = block * 128; index < end; index++) {
        if (this.end[this.items[index]] >= top) each(this.items[index]);
      }
    }
  }

  rowOf(time) {
    const at = lastAtMost(this.times, time);
    if (at < 0) return this.rows.length ? Math.min(0.4, this.rows[0]) : 0;
    if (at + 1 >= this.times.length) return Math.min(this.rows[at] + (time > this.times[at] ? 0.6 : 0), this.total);
    const span = this.times[at + 1] - this.times[at];
    const share = span ? (time - this.times[at]) / span : 0;
    return this.rows[at] + (this.rows[at + 1] - this.rows[at]) * share;
  }

  timeOf(row) {
    const at = lastAtMost(this.rows, row);
    if (at < 0) return this.times[0] || 0;
    if (at + 1 >= this.rows.length) return this.times[at];
    const span = this.rows[at + 1] - this.rows[at];
    return this.times[at] + (span ? (this.times[at + 1] - this.times[at]) * (row - this.rows[at]) / span : 0);
  }

  /** Moves all rows by a rising function. */
  map(move) {
    for (const list of [this.begin, this.end, this.rows]) {
      for (let at = 0; at < list.length; at++) list[at] = move(list[at]);
    }
    this.pauses = this.pauses.map(([from, to, ns]) => [move(from), move(to), ns]);
    this.total = move(this.total);
    this.block();
  }
}

function pauseRows(ns) { return ns > 2e7 ? Math.min(4, Math.log10(ns / 1e7) * 1.2) : 0; }

/** Stretches the rows of two runs so that lines which are pairs stand side by side. */
function alignRows(rows, pairs) {
  // The longest list of pairs that both runs have in one order.
  const sorted = pairs.filter(([a, b]) => rows[0].begin[a] >= 0 && rows[1].begin[b] >= 0);
  sorted.sort((one, other) => rows[0].begin[one[0]] - rows[0].begin[other[0]]);
  const tails = [], before = new Int32Array(sorted.length).fill(-1);
  sorted.forEach(([, b], at) => {
    let low = 0, high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[1].begin[sorted[tails[middle]][1]] < rows[1].begin[b]) low = middle + 1; else high = middle;
    }
    before[at] = low ? tails[low - 1] : -1;
    tails[low] = at;
  });
  const anchors = [];
  for (let at = tails.at(-1) ?? -1; at >= 0; at = before[at]) anchors.push(sorted[at]);
  anchors.reverse();
  const knots = [[0, 0, 0]];
  for (const [a, b] of anchors) {
    const [rowA, rowB, row] = knots.at(-1);
    const [nextA, nextB] = [rows[0].begin[a], rows[1].begin[b]];
    if (nextA > rowA && nextB > rowB) knots.push([nextA, nextB, row + Math.max(nextA - rowA, nextB - rowB)]);
  }
  const [lastA, lastB, last] = knots.at(-1);
  const rest = Math.max(rows[0].total - lastA, rows[1].total - lastB);
  knots.push([lastA + rest, lastB + rest, last + rest]);
  [0, 1].forEach((side) => {
    const from = Float64Array.from(knots, (knot) => knot[side]);
    const own = rows[side].total;
    rows[side].map((row) => {
      if (Number.isNaN(row)) return row;
      const at = Math.min(lastAtMost(from, row), knots.length - 2);
      const [start, end] = [from[at], from[at + 1]];
      return knots[at][2] + (knots[at + 1][2] - knots[at][2]) * (end > start ? (row - start) / (end - start) : 0);
    });
    rows[side].total = Math.max(rows[side].total, own);
  });
  const total = Math.max(rows[0].total, rows[1].total);
  rows.forEach((one) => { one.total = total; });
}
