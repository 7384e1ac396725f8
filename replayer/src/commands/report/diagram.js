// The space-time diagram: a lane per process, time downwards, messages as arrows, on a canvas that
// draws only what is in view, and less of each line the more of them there are.

const HEAD_PX = 46, LANE_MIN_PX = 54, LANE_MAX_PX = 340;
/** Width of the times at the left and the map at the right, and where a diagram is narrow. */
const GUTTER_PX = [74, 66], MAP_PX = [56, 34], NARROW_PX = 560;
const ROW_MIN_PX = 0.002, ROW_MAX_PX = 64, ROW_FIRST_PX = 21;
/** Pixels of a row from which on its line has a text, and an arrow a head. */
const TEXT_FROM_PX = 12, HEADS_FROM_PX = 3.5;
/** Lines in view above which they are counted per pixel instead of drawn one by one. */
const DRAWN_MAX = 6000;
/** Width of a character of the font below, and of the longest text. */
const CHAR_PX = 6.95, TEXT_MAX_PX = 430;
const FONT = "11.5px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, Cantarell, 'DejaVu Sans', sans-serif";

/** Why a line stands out, from what matters least to what matters most. */
const PLAIN = 0, MARKED = 1, FOUND = 2, EFFECT = 3, CAUSE = 4;

/** The part of the rows that is in view; two diagrams may share one. */
class View {
  constructor() {
    this.row = 0;
    this.rowPx = ROW_FIRST_PX;
    this.x = 0;
    this.laneShare = 1;
    this.diagrams = [];
  }
  changed() { for (const diagram of this.diagrams) diagram.ask(); }
  get total() { return Math.max(1, ...this.diagrams.map((diagram) => diagram.rows?.total || 1)); }
  get height() { return Math.min(...this.diagrams.map((diagram) => diagram.height - HEAD_PX)); }
  clamp() {
    const fit = this.height / this.total;
    this.rowPx = Math.min(ROW_MAX_PX, Math.max(this.rowPx, Math.min(fit, ROW_FIRST_PX), ROW_MIN_PX));
    this.row = Math.max(0, Math.min(this.row, this.total - this.height / this.rowPx));
  }
  /** Zooms so that the row at `y` pixels below the head stays there. */
  zoom(factor, y) {
    const row = this.row + y / this.rowPx;
    this.rowPx *= factor;
    this.clamp();
    this.row = row - y / this.rowPx;
    this.clamp();
    this.changed();
  }
  scroll(rows) {
    this.row += rows;
    this.clamp();
    this.changed();
  }
  fit() {
    this.row = 0;
    this.rowPx = 0;
    this.clamp();
    this.changed();
  }
  /** Brings a row into view, with some around it. */
  show(row) {
    if (this.rowPx < TEXT_FROM_PX) this.rowPx = ROW_FIRST_PX;
    const rows = this.height / this.rowPx, margin = Math.min(4, rows / 4);
    if (row < this.row + margin || row > this.row + rows - margin) this.row = row - rows / 2;
    this.clamp();
    this.changed();
  }
}

class Diagram {
  /** `on`: what is done when a line is hovered over or selected. */
  constructor(stage, run, view, on) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.paint = this.canvas.getContext("2d");
    this.run = run;
    this.view = view;
    this.on = on;
    this.hovered = -1;
    this.selected = -1;
    this.causes = new Map();
    this.effects = new Map();
    this.hits = [];
    this.marked = [];
    this.state = new Uint8Array(run.count);
    this.width = 800;
    this.gutterPx = GUTTER_PX[0];
    this.mapPx = MAP_PX[0];
    this.height = 600;
    view.diagrams.push(this);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.theme();
      this.mapDrawn = null;
      this.ask();
    });
    this.theme();
  }

  theme() {
    const style = getComputedStyle(document.documentElement);
    this.colours = {};
    for (const name of ["ground", "panel", "rule", "faint", "text", "muted", "accent", "cause", "effect",
      "trouble", "found", "mark", "lane"]) {
      this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.palette = [1, 2, 3, 4, 5, 6].map((at) => style.getPropertyValue(`--hue-${at}`).trim());
  }

  /** Takes over what stands out: causes and effects with how far they are, and lines of interest. */
  highlight(lists) {
    Object.assign(this, lists);
    this.state.fill(PLAIN);
    for (const at of this.marked) this.state[at] = MARKED;
    for (const at of this.hits) this.state[at] = FOUND;
    for (const at of this.effects.keys()) this.state[at] = EFFECT;
    for (const at of this.causes.keys()) this.state[at] = CAUSE;
    this.ask();
  }

  /** Takes over lanes and rows, and keeps the place that is in view. */
  lay(layout, rows) {
    this.layout = layout;
    this.rows = rows;
    this.mapDrawn = null;
    this.resize();
  }

  colourOf(at) {
    if (this.run.isTrouble(at)) return this.colours.trouble;
    const protocol = this.run.columns.protocol[at];
    return protocol ? this.palette[(protocol - 1) % this.palette.length] : this.colours.muted;
  }

  resize() {
    const box = this.stage.getBoundingClientRect();
    this.width = Math.max(200, box.width);
    this.height = Math.max(120, box.height);
    const narrow = Number(this.width < NARROW_PX);
    this.gutterPx = GUTTER_PX[narrow];
    this.mapPx = MAP_PX[narrow];
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(this.height * scale);
    this.scale = scale;
    this.mapDrawn = null;
    if (this.rows) {
      this.place();
      this.view.clamp();
      this.ask();
    }
  }

  place() {
    const count = this.layout.lanes.length, room = this.width - this.gutterPx - this.mapPx - 24;
    const even = Math.max(LANE_MIN_PX, Math.min(LANE_MAX_PX, room / Math.max(count, 1)));
    this.lanePx = even * this.view.laneShare;
    const wide = this.lanePx * count - room;
    this.view.x = Math.max(0, Math.min(this.view.x, wide));
  }

  x(lane) { return this.gutterPx + this.lanePx * (lane + 0.5) - this.view.x; }
  y(row) { return HEAD_PX + (row - this.view.row) * this.view.rowPx; }
  lane(party) { return this.layout.of.get(party)?.index ?? -1; }

  /** The two ends of a line: from where it happens to who it is about. */
  ends(at) {
    const run = this.run, own = this.lane(run.process(at)), other = this.lane(run.other(at));
    const [y1, y2] = [this.y(this.rows.begin[at]), this.y(this.rows.end[at])];
    if (other < 0) return [this.x(own), y1, this.x(own), y1];
    const kind = run.kind(at);
    const towards = kind === "fork" || run.isIncoming(at);
    return towards ? [this.x(other), y1, this.x(own), y2] : [this.x(own), y1, this.x(other), y2];
  }

  ask() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (this.rows) this.draw();
    });
  }

  draw() {
    const paint = this.paint, colours = this.colours;
    paint.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    paint.fillStyle = colours.ground;
    paint.fillRect(0, 0, this.width, this.height);
    this.top = this.view.row - 1;
    this.bottom = this.view.row + (this.height - HEAD_PX) / this.view.rowPx + 1;
    paint.save();
    paint.beginPath();
    paint.rect(0, HEAD_PX, this.width - this.mapPx, this.height - HEAD_PX);
    paint.clip();
    this.drawTimes();
    paint.beginPath();
    paint.rect(this.gutterPx, HEAD_PX, this.width - this.mapPx - this.gutterPx, this.height - HEAD_PX);
    paint.clip();
    this.drawLives();
    this.drawLines();
    paint.restore();
    this.drawHeads();
    this.drawMap();
  }

  drawTimes() {
    const paint = this.paint, colours = this.colours, rows = this.rows;
    paint.font = `11px ${SANS}`;
    paint.textBaseline = "middle";
    for (const [from, to, ns] of rows.pauses) {
      const [y1, y2] = [this.y(from), this.y(to)];
      if (y2 < HEAD_PX || y1 > this.height || y2 - y1 < 14) continue;
      paint.fillStyle = colours.faint;
      paint.fillRect(this.gutterPx, y1 + 3, this.width - this.gutterPx - this.mapPx, y2 - y1 - 6);
      paint.fillStyle = colours.muted;
      paint.textAlign = "center";
      paint.fillText(`${duration(ns)} pass`, (this.gutterPx + this.width - this.mapPx) / 2, (y1 + y2) / 2);
    }
    paint.textAlign = "right";
    const step = 56;
    const fine = rows.timeOf(this.bottom) - rows.timeOf(this.top) < 5e7;
    let before = "";
    for (let y = HEAD_PX + 14 - (this.view.row * this.view.rowPx) % step; y < this.height; y += step) {
      if (y < HEAD_PX + 6) continue;
      const row = this.view.row + (y - HEAD_PX) / this.view.rowPx;
      if (row > rows.total - 1) break;
      const text = (rows.timeOf(row) / 1e9).toFixed(fine ? 6 : 3);
      if (text !== before) {
        paint.fillStyle = colours.muted;
        paint.fillText(text, this.gutterPx - 12, y);
      }
      before = text;
    }
  }

  drawLives() {
    const paint = this.paint, colours = this.colours;
    for (const lane of this.layout.lanes) {
      const x = Math.round(this.x(lane.index)) + 0.5;
      if (x < this.gutterPx - 20 || x > this.width - this.mapPx + 20) continue;
      paint.strokeStyle = colours.rule;
      paint.lineWidth = 1;
      paint.setLineDash(lane.kind === "outside" ? [1, 5] : [2, 4]);
      paint.beginPath();
      paint.moveTo(x, HEAD_PX);
      paint.lineTo(x, this.height);
      paint.stroke();
      paint.setLineDash([]);
      paint.fillStyle = colours.lane;
      // Lives that are less than a pixel are drawn as one.
      let drawn = -1;
      for (const process of lane.members) {
        const y1 = Math.max(HEAD_PX, this.y(this.rows.rowOf(process.started)), drawn);
        const y2 = Math.min(this.height, this.y(this.rows.rowOf(process.ended)));
        if (y2 < HEAD_PX || y1 > this.height || y2 <= drawn) continue;
        drawn = Math.max(y2, y1 + 1);
        paint.fillRect(x - 1.5, y1, 3, drawn - y1);
      }
    }
  }

  drawLines() {
    const inView = [];
    this.rows.between(this.top, this.bottom, (at) => inView.push(at));
    const dim = this.causes.size + this.effects.size > 0;
    const paint = this.paint;
    paint.globalAlpha = dim ? 0.28 : 1;
    const texts = this.view.rowPx >= TEXT_FROM_PX;
    const special = inView.filter((at) => this.state[at] !== PLAIN);
    const plain = special.length ? inView.filter((at) => this.state[at] === PLAIN) : inView;
    if (plain.length > DRAWN_MAX) this.drawCounted(plain, (at) => this.colourOf(at));
    else for (const at of plain) this.drawLine(at, this.colourOf(at), 1.25);
    // Texts come above all lines.
    if (texts) for (const at of plain) this.drawText(at, this.colourOf(at));
    paint.globalAlpha = 1;
    const standsOut = (at) => ({ [CAUSE]: this.colours.cause, [EFFECT]: this.colours.effect,
      [FOUND]: this.colours.found, [MARKED]: this.colours.cause })[this.state[at]];
    if (special.length > DRAWN_MAX / 4) {
      this.drawCounted(special, standsOut);
    } else {
      for (const at of special) {
        const near = (this.causes.get(at) ?? this.effects.get(at) ?? 0) < 40;
        paint.globalAlpha = near ? 1 : 0.65;
        this.drawLine(at, standsOut(at), near ? 2 : 1.5, near);
        if (texts) this.drawText(at, standsOut(at), near);
      }
    }
    paint.globalAlpha = 1;
    for (const at of [this.hovered, this.selected]) {
      if (at < 0 || Number.isNaN(this.rows.begin[at])) continue;
      if (this.rows.end[at] < this.top || this.rows.begin[at] > this.bottom) continue;
      if (at === this.selected) this.drawBand(at);
      const colour = at === this.selected ? this.colours.accent : this.colourOf(at);
      this.drawLine(at, colour, 2.75, true);
      if (texts) this.drawText(at, colour, true);
    }
  }

  drawBand(at) {
    const y = this.y(this.rows.begin[at]), half = Math.max(3, Math.min(10, this.view.rowPx / 2));
    this.paint.globalAlpha = 0.1;
    this.paint.fillStyle = this.colours.accent;
    this.paint.fillRect(this.gutterPx, y - half, this.width - this.gutterPx - this.mapPx, half * 2);
    this.paint.globalAlpha = 1;
  }

  /** Many lines: for each row of pixels and pair of lanes, a line as dark as there are many. */
  drawCounted(lines, colourOf) {
    const paint = this.paint, lanes = this.layout.lanes.length, counts = new Map();
    let most = 1;
    for (const at of lines) {
      const y = Math.round(this.y(this.rows.begin[at]));
      const from = this.lane(this.run.process(at)), other = this.lane(this.run.other(at));
      const to = other < 0 ? from : other;
      const low = Math.min(from, to), high = Math.max(from, to);
      const key = ((y + 4) * lanes + low) * lanes + high;
      const known = counts.get(key);
      if (known) {
        most = Math.max(most, ++known[0]);
        if (this.run.isTrouble(at)) known[1] = at;
      } else {
        counts.set(key, [1, at, y, low, high]);
      }
    }
    const alpha = paint.globalAlpha;
    for (const [count, at, y, low, high] of counts.values()) {
      paint.globalAlpha = alpha * (0.14 + 0.42 * Math.sqrt(count / most));
      paint.fillStyle = colourOf(at);
      const [x1, x2] = [this.x(low), this.x(high)];
      if (low === high) paint.fillRect(x1 - 3, y, 6, 1);
      else paint.fillRect(x1, y, x2 - x1, 1);
    }
    paint.globalAlpha = alpha;
  }

  drawLine(at, colour, width, strong) {
    const paint = this.paint, run = this.run, [x1, y1, x2, y2] = this.ends(at);
    paint.strokeStyle = colour;
    paint.fillStyle = colour;
    paint.lineWidth = width;
    const kind = run.kind(at), isMessage = run.isMessage(at);
    const heads = this.view.rowPx >= HEADS_FROM_PX || strong;
    if (isMessage || x1 !== x2) {
      paint.setLineDash(kind === "fork" ? [3, 3] : run.broken(at) ? [6, 3] : []);
      paint.beginPath();
      if (x1 === x2) {
        // To itself, or within a shared lane: a loop.
        paint.moveTo(x1, y1);
        paint.bezierCurveTo(x1 + 22, y1 - 1, x1 + 22, Math.max(y2, y1 + 4) + 1, x1 + 3, Math.max(y2, y1 + 4));
      } else {
        paint.moveTo(x1, y1);
        paint.lineTo(x2, y2);
      }
      paint.stroke();
      paint.setLineDash([]);
      if (heads && isMessage) this.drawHead(x1, y1, x2, y2);
    }
    if (heads && !isMessage) this.drawGlyph(kind, kind === "fork" ? x2 : x1, y1, colour);
  }

  drawHead(x1, y1, x2, y2) {
    const paint = this.paint;
    const loop = x1 === x2;
    const angle = loop ? Math.PI : Math.atan2(y2 - y1, x2 - x1), tip = loop ? 2 : 2.5;
    const [x, y] = loop ? [x1 + tip, Math.max(y2, y1 + 4)] : [x2 - Math.cos(angle) * tip, y2 - Math.sin(angle) * tip];
    paint.beginPath();
    paint.moveTo(x, y);
    paint.lineTo(x - 8 * Math.cos(angle - 0.4), y - 8 * Math.sin(angle - 0.4));
    paint.lineTo(x - 8 * Math.cos(angle + 0.4), y - 8 * Math.sin(angle + 0.4));
    paint.closePath();
    paint.fill();
    paint.beginPath();
    paint.arc(x1, y1, 2.2, 0, 7);
    paint.fill();
  }

  drawGlyph(kind, x, y, colour) {
    const paint = this.paint;
    paint.beginPath();
    switch (kind) {
      case "fault": case "killed": case "refused": case "gap":
        paint.lineWidth = 2.25;
        paint.moveTo(x - 4.5, y - 4.5);
        paint.lineTo(x + 4.5, y + 4.5);
        paint.moveTo(x + 4.5, y - 4.5);
        paint.lineTo(x - 4.5, y + 4.5);
        paint.stroke();
        return;
      case "signal": case "kill":
        paint.fillStyle = colour === this.colours.muted ? this.colours.mark : colour;
        paint.moveTo(x, y - 5);
        paint.lineTo(x + 5, y + 4);
        paint.lineTo(x - 5, y + 4);
        paint.closePath();
        paint.fill();
        return;
      case "mark":
        paint.fillStyle = colour === this.colours.muted ? this.colours.mark : colour;
        paint.moveTo(x, y - 6);
        paint.lineTo(x + 9, y - 2.5);
        paint.lineTo(x, y + 1);
        paint.closePath();
        paint.fill();
        paint.fillRect(x - 0.75, y - 6, 1.5, 12);
        return;
      case "exit": case "end":
        paint.fillRect(x - 6, y - 1.25, 12, 2.5);
        return;
      case "exec": case "listen":
        paint.fillStyle = this.colours.ground;
        paint.lineWidth = 1.5;
        paint.rect(x - 3.5, y - 3.5, 7, 7);
        paint.fill();
        paint.stroke();
        return;
      case "fork": case "unrecorded":
        paint.fillStyle = this.colours.ground;
        paint.lineWidth = 1.5;
        paint.arc(x, y, 3.5, 0, 7);
        paint.fill();
        paint.stroke();
        return;
      default:
        paint.arc(x, y, 2.5, 0, 7);
        paint.fill();
    }
  }

  drawText(at, colour, strong) {
    const paint = this.paint, run = this.run, [x1, y1, x2] = this.ends(at);
    const isMessage = run.isMessage(at), left = Math.min(x1, x2), right = Math.max(x1, x2);
    let text = run.text(at), from, room, y;
    paint.font = FONT;
    if (isMessage && x1 !== x2) {
      // Above the sender's end of the arrow, where it is alone. A long one goes on behind the lane.
      from = left + 12;
      room = Math.max(right - left - 24, Math.min(TEXT_MAX_PX, this.width - this.mapPx - from - 8));
      y = y1 - 6;
      if (x2 < x1) from = Math.max(from, right - 12 - text.length * CHAR_PX);
    } else {
      const fork = run.kind(at) === "fork";
      from = (fork ? x2 : x1) + (isMessage ? 24 : 12);
      room = Math.min(TEXT_MAX_PX, this.width - this.mapPx - from - 8);
      y = y1;
      // At the right edge there may be more room to the left.
      const wide = Math.min(text.length * CHAR_PX, TEXT_MAX_PX), left = (fork ? x2 : x1) - 12 - this.gutterPx;
      if (wide > room && left > room) {
        room = Math.min(TEXT_MAX_PX, left);
        from = (fork ? x2 : x1) - 12 - Math.min(wide, room);
      }
    }
    const most = Math.floor(room / CHAR_PX);
    if (most < 4) return;
    if (text.length > most) text = text.slice(0, most - 1) + "…";
    paint.textAlign = "left";
    paint.textBaseline = "middle";
    const wide = text.length * CHAR_PX;
    const alpha = paint.globalAlpha;
    paint.globalAlpha = alpha * 0.6;
    paint.fillStyle = this.colours.ground;
    paint.fillRect(from - 2, y - 6, wide + 4, 12);
    paint.globalAlpha = alpha;
    const plain = isMessage ? this.colours.text : this.colours.muted;
    paint.fillStyle = strong || run.isTrouble(at) ? colour : plain;
    paint.fillText(text, from, y + 0.5);
  }

  drawHeads() {
    const paint = this.paint, colours = this.colours;
    paint.fillStyle = colours.ground;
    paint.fillRect(0, 0, this.width - this.mapPx, HEAD_PX);
    paint.fillStyle = colours.rule;
    paint.fillRect(0, HEAD_PX - 1, this.width - this.mapPx, 1);
    paint.save();
    paint.beginPath();
    paint.rect(this.gutterPx - 8, 0, this.width - this.mapPx - this.gutterPx + 8, HEAD_PX);
    paint.clip();
    paint.textAlign = "center";
    paint.textBaseline = "middle";
    for (const lane of this.layout.lanes) {
      const x = this.x(lane.index);
      const room = this.lanePx - 10;
      paint.font = `600 12px ${SANS}`;
      paint.fillStyle = lane.kind === "process" ? colours.text : colours.muted;
      paint.fillText(this.fitted(lane.title, room), x, lane.detail ? 16 : HEAD_PX / 2);
      if (lane.detail) {
        paint.font = `11px ${SANS}`;
        paint.fillStyle = colours.muted;
        paint.fillText(this.fitted(lane.detail, room), x, 31);
      }
    }
    paint.restore();
    // What is beyond the edges.
    const right = this.width - this.mapPx;
    const beyond = [0, 0];
    for (const lane of this.layout.lanes) {
      if (this.x(lane.index) < this.gutterPx) beyond[0]++;
      if (this.x(lane.index) > right) beyond[1]++;
    }
    paint.font = `600 11px ${SANS}`;
    for (const [edge, text] of [`‹ ${beyond[0]}`, `${beyond[1]} ›`].entries()) {
      if (!beyond[edge]) continue;
      const wide = paint.measureText(text).width + 16, x = edge ? right - wide : this.gutterPx - 8;
      paint.fillStyle = colours.ground;
      paint.fillRect(x, 0, wide, HEAD_PX - 1);
      paint.fillStyle = colours.accent;
      paint.textAlign = "center";
      paint.fillText(text, x + wide / 2, HEAD_PX / 2);
    }
  }

  /** Brings the lanes of a line into view. */
  reveal(at) {
    const right = this.width - this.mapPx - 40, left = this.gutterPx + 20;
    for (const party of [this.run.other(at), this.run.process(at)]) {
      const lane = this.lane(party);
      if (lane < 0) continue;
      this.view.x += Math.max(0, this.x(lane) - right) - Math.max(0, left - this.x(lane));
    }
    this.view.diagrams.forEach((diagram) => diagram.place());
  }

  /** A name that is cut before its number, if it must be. */
  fitted(text, room) {
    if (this.paint.measureText(text).width <= room) return text;
    const tail = "…" + (/\[\d+\]$/.exec(text)?.[0] || "");
    let most = text.length - tail.length;
    while (most > 1 && this.paint.measureText(text.slice(0, most) + tail).width > room) most--;
    return text.slice(0, Math.max(most, 1)) + tail;
  }

  /** The whole run at the right edge: how much is said when, troubles, and what is in view. */
  drawMap() {
    const paint = this.paint, colours = this.colours, height = this.height, left = this.width - this.mapPx;
    paint.fillStyle = colours.panel;
    paint.fillRect(left, 0, this.mapPx, height);
    paint.fillStyle = colours.rule;
    paint.fillRect(left, 0, 1, height);
    const scale = height / this.view.total;
    if (!this.mapDrawn) {
      const bins = new Float64Array(Math.ceil(height / 2));
      for (const at of this.rows.items) {
        const bin = Math.min(bins.length - 1, Math.floor(this.rows.begin[at] * scale / 2));
        if (this.run.isMessage(at)) bins[bin]++;
      }
      this.mapDrawn = { bins, most: bins.reduce((most, bin) => Math.max(most, bin), 1) };
    }
    const { bins, most } = this.mapDrawn;
    paint.fillStyle = colours.lane;
    bins.forEach((bin, at) => {
      if (bin) paint.fillRect(left + 6, at * 2, (this.mapPx - 20) * Math.max(0.06, Math.sqrt(bin / most)), 1.5);
    });
    const ticks = (list, colour, x, wide) => {
      paint.fillStyle = colour;
      let drawn = -9;
      for (const at of list) {
        const y = Math.round(this.rows.begin[at] * scale);
        if (Number.isNaN(y) || y === drawn) continue;
        drawn = y;
        paint.fillRect(x, y - 1, wide, 2);
      }
    };
    ticks(this.causes.keys(), colours.cause, left + 4, this.mapPx - 18);
    ticks(this.effects.keys(), colours.effect, left + 4, this.mapPx - 18);
    ticks(this.hits, colours.found, left + 4, this.mapPx - 8);
    ticks(this.marked, colours.cause, left + 4, this.mapPx - 8);
    ticks(this.run.troubles, colours.trouble, this.width - 10, 6);
    if (this.selected >= 0) ticks([this.selected], colours.accent, left + 2, this.mapPx - 4);
    const y = this.view.row * scale, tall = Math.max(6, (this.height - HEAD_PX) / this.view.rowPx * scale);
    paint.globalAlpha = 0.1;
    paint.fillStyle = colours.accent;
    paint.fillRect(left + 1, y, this.mapPx - 1, tall);
    paint.globalAlpha = 0.6;
    paint.strokeStyle = colours.accent;
    paint.lineWidth = 1;
    paint.strokeRect(left + 1.5, Math.max(0.5, y + 0.5), this.mapPx - 3, Math.min(tall, height - 1) - 1);
    paint.globalAlpha = 1;
  }

  /** The line nearest to a point, or -1. */
  at(x, y) {
    if (y < HEAD_PX || x < this.gutterPx || x > this.width - this.mapPx || !this.rows) return -1;
    const row = this.view.row + (y - HEAD_PX) / this.view.rowPx, near = 9 / this.view.rowPx;
    let best = -1, least = 9;
    this.rows.between(row - near, row + near, (at) => {
      const [x1, y1, x2, y2] = this.ends(at);
      let distance;
      if (x1 === x2) {
        // A note is its sign and the text behind it.
        const beside = x < x1 ? x1 - x : Math.max(0, x - x1 - (this.view.rowPx >= TEXT_FROM_PX ? this.lanePx - 30 : 8));
        distance = Math.hypot(beside, Math.max(y1 - y, 0, y - Math.max(y1, y2)));
      } else {
        const share = Math.max(0, Math.min(1, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) /
          ((x2 - x1) ** 2 + (y2 - y1) ** 2)));
        distance = Math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1));
        // So is a message's text, above its line.
        if (this.view.rowPx >= TEXT_FROM_PX && x > Math.min(x1, x2) && x < Math.max(x1, x2)) {
          distance = Math.min(distance, Math.abs(y - (y1 - 5)) * 0.8);
        }
      }
      if (this.state[at] !== PLAIN) distance -= 1.5;
      if (distance < least) {
        least = distance;
        best = at;
      }
    });
    return best;
  }

  /** Where a line's middle is on the page, for tests and for whoever wants to point at it. */
  pointOf(at) {
    const [x1, y1, x2, y2] = this.ends(at), box = this.canvas.getBoundingClientRect();
    return { x: box.left + (x1 + x2) / 2, y: box.top + (y1 + y2) / 2 };
  }

  hover(at, event) {
    if (at !== this.hovered) {
      this.hovered = at;
      this.canvas.classList.toggle("pointing", at >= 0);
      this.ask();
    }
    this.on.hover(at, event);
  }

  listen() {
    const canvas = this.canvas;
    let held = null;
    const spot = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const jump = (y) => {
      this.view.row = y / this.height * this.view.total - this.view.height / this.view.rowPx / 2;
      this.view.clamp();
      this.view.changed();
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? this.height : 1;
      const [x, y] = spot(event);
      if (event.ctrlKey || event.metaKey) {
        this.view.zoom(Math.exp(-event.deltaY * unit * 0.004), Math.max(0, y - HEAD_PX));
      } else {
        const across = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
        this.view.x += across * unit;
        this.view.diagrams.forEach((diagram) => diagram.place());
        this.view.scroll(event.shiftKey ? 0 : event.deltaY * unit / this.view.rowPx);
      }
      this.hover(this.at(x, y), event);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      const [x, y] = spot(event);
      held = { x, y, moved: false, map: x > this.width - this.mapPx };
      canvas.setPointerCapture(event.pointerId);
      if (held.map) jump(y);
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = spot(event);
      if (!held) {
        this.hover(this.at(x, y), event);
        return;
      }
      if (held.map) {
        jump(y);
        return;
      }
      if (!held.moved && Math.hypot(x - held.x, y - held.y) < 4) return;
      held.moved = true;
      canvas.classList.add("dragging");
      this.hover(-1, event);
      this.view.x -= x - held.x;
      this.view.diagrams.forEach((diagram) => diagram.place());
      this.view.scroll(-(y - held.y) / this.view.rowPx);
      [held.x, held.y] = [x, y];
    });
    canvas.addEventListener("pointerup", (event) => {
      canvas.classList.remove("dragging");
      if (held && !held.moved && !held.map) this.on.select(this.at(...spot(event)));
      held = null;
    });
    canvas.addEventListener("pointercancel", () => {
      canvas.classList.remove("dragging");
      held = null;
    });
    canvas.addEventListener("pointerleave", (event) => { if (!held) this.hover(-1, event); });
    canvas.addEventListener("dblclick", (event) => this.view.zoom(2, Math.max(0, spot(event)[1] - HEAD_PX)));
  }
}
