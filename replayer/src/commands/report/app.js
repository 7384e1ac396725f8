// Joins diagrams, panel, filters, search and keys: one run, or two side by side.

const LISTED_CONNECTIONS = 200;
const byId = (id) => document.getElementById(id);

class Explorer {
  /** `sides`: runs with their stages. `pairs` of processes and `matched` lines, where there are two. */
  constructor(sides, { pairs = [], matched = [], marked = [] } = {}) {
    this.runs = sides.map((side) => side.run);
    this.pairs = pairs;
    this.matched = matched;
    this.twins = [new Map(matched), new Map(matched.map(([a, b]) => [b, a]))];
    this.view = new View();
    this.options = { even: true, helpers: false };
    this.hidden = { lanes: new Set(), protocols: new Set(), kinds: new Set(), connections: new Set() };
    this.hits = [];
    this.hit = -1;
    this.chosen = null;
    this.panel = new Panel(byId("panel"), (at, run) => this.select(this.runs.indexOf(run), at, true));
    this.tip = new Tip(byId("tip"));
    this.diagrams = sides.map(({ run, stage }, side) => {
      const diagram = new Diagram(stage, run, this.view, {
        hover: (at, event) => this.tip.show(run, at, event),
        select: (at) => this.select(side, at, false),
      });
      diagram.highlight({ marked: marked[side] || [] });
      return diagram;
    });
    this.layOut();
    this.wire();
    this.fromAddress();
    addEventListener("hashchange", () => this.fromAddress());
  }

  // What is shown.

  laneKey(lane) { return `${lane.kind} ${lane.title}`; }

  layOut() {
    const layouts = this.runs.length === 2
      ? alignedLanes(this.runs, this.pairs, this.options) : [lanesOf(this.runs[0], this.options)];
    this.lanes = layouts[0].lanes;
    const { lanes: hidden, protocols, kinds, connections } = this.hidden;
    const rows = layouts.map((layout, side) => {
      const run = this.runs[side];
      const shown = (party) => {
        const lane = layout.of.get(party);
        return !lane || !hidden.has(this.laneKey(lane));
      };
      return new Rows(run, (at) => shown(run.process(at)) && shown(run.other(at)) &&
        (run.isMessage(at) ? !protocols.has(run.protocol(at)) && !connections.has(run.connection(at))
          : !kinds.has(run.kind(at))),
      this.options.even);
    });
    if (rows.length === 2) alignRows(rows, this.matched);
    layouts.forEach((layout, side) => {
      const lanes = layout.lanes.filter((lane) => !hidden.has(this.laneKey(lane)));
      layout.lanes.forEach((lane) => { lane.index = -1; });
      lanes.forEach((lane, index) => { lane.index = index; });
      this.diagrams[side].lay({ lanes, of: layout.of }, rows[side]);
    });
    this.view.clamp();
    this.view.changed();
    this.countShown();
  }

  countShown() {
    const shown = this.diagrams.reduce((sum, diagram) => sum + diagram.rows.items.length, 0);
    const all = this.runs.reduce((sum, run) => sum + run.count, 0);
    const output = byId("shown");
    if (output) output.textContent = shown === all ? "" : `${shown.toLocaleString("en")} of ${counted(all, "line")}`;
  }

  // Selection.

  select(side, at, bring) {
    for (const diagram of this.diagrams) {
      diagram.selected = -1;
      diagram.highlight({ causes: new Map(), effects: new Map() });
    }
    this.chosen = at >= 0 ? { side, at } : null;
    if (at < 0) {
      this.panel.clear();
      this.address("");
    } else {
      const run = this.runs[side], diagram = this.diagrams[side];
      const walks = { causes: run.walk("causes", at, HIGHLIGHTED_MAX), effects: run.walk("effects", at, HIGHLIGHTED_MAX) };
      diagram.selected = at;
      // The same message of the other run.
      const other = this.diagrams[1 - side];
      if (other) other.selected = this.twins[side].get(at) ?? -1;
      const far = (items) => new Map(items.map((item, distance) => [item, distance]));
      diagram.highlight({ causes: far(walks.causes.items), effects: far(walks.effects.items) });
      this.walks = walks;
      this.panel.show(run, at, walks);
      if (bring) this.bring(side, at);
      this.address(`${this.runs.length > 1 ? "AB"[side] + "," : ""}${run.event(at)}`);
      byId("live").textContent = `${run.event(at)}, ${run.route(at)}, ${run.text(at)}. ` +
        `${counted(walks.causes.items.length, "cause")}, ${counted(walks.effects.items.length, "effect")}.`;
    }
    document.body.classList.toggle("selected", at >= 0);
    this.view.changed();
  }

  /** Shows a line; if a filter hides it, without filters. */
  bring(side, at) {
    if (Number.isNaN(this.diagrams[side].rows.begin[at])) this.clearFilters();
    this.diagrams[side].reveal(at);
    this.view.show(this.diagrams[side].rows.begin[at]);
  }

  address(event) {
    try {
      history.replaceState(null, "", event ? `#${event}` : location.pathname + location.search);
    } catch { /* Some browsers do not let a file have states. */ }
  }

  /** Selects the event that is named behind the page's address. */
  fromAddress() {
    const named = decodeURIComponent(location.hash.slice(1)).split(",");
    const event = named.at(-1), side = named.length > 1 && named[0] === "B" ? 1 : 0;
    if (/^p\d/.test(event)) this.selectEvent(side, event);
  }

  selectEvent(side, event, text) {
    const run = this.runs[side];
    if (!run) return false;
    let found = -1;
    for (let at = 0; at < run.count; at++) {
      if (run.event(at) !== event && run.received(at) !== event) continue;
      if (found < 0) found = at;
      if (text && text.startsWith(run.text(at)) && run.event(at) === event) { found = at; break; }
    }
    if (found >= 0) this.select(side, found, true);
    return found >= 0;
  }

  // Search.

  search(query) {
    query = query.trim();
    this.hits = [];
    this.hit = -1;
    this.diagrams.forEach((diagram, side) => {
      const found = query ? this.runs[side].search(query) : [];
      const shown = Array.from(found).filter((at) => !Number.isNaN(diagram.rows.begin[at]));
      diagram.highlight({ hits: shown });
      shown.forEach((at) => this.hits.push({ side, at, row: diagram.rows.begin[at] }));
    });
    if (this.runs.length > 1) this.hits.sort((a, b) => a.row - b.row);
    this.query = query;
    this.view.changed();
    if (this.hits.length) {
      const first = this.hits.findIndex((hit) => hit.row >= this.view.row);
      this.toHit(first < 0 ? 0 : first);
    } else {
      this.tellHits();
    }
  }

  toHit(index) {
    if (!this.hits.length) return;
    this.hit = (index + this.hits.length) % this.hits.length;
    const { side, at } = this.hits[this.hit];
    this.select(side, at, true);
    this.tellHits();
  }

  tellHits() {
    byId("hits").textContent = !this.query ? ""
      : this.hits.length ? `${(this.hit + 1).toLocaleString("en")} of ${this.hits.length.toLocaleString("en")}` : "nothing found";
    byId("previous").disabled = byId("next").disabled = !this.hits.length;
  }

  // Filters.

  clearFilters() {
    for (const set of Object.values(this.hidden)) set.clear();
    document.querySelectorAll("#filters input[type=checkbox]").forEach((box) => { box.checked = true; });
    this.layOut();
  }

  filters() {
    const run = this.runs[0];
    const list = (element, set, rows) => {
      element.replaceChildren(...rows.map(({ key, title, detail, colour }) => {
        const box = make("input", { type: "checkbox" });
        box.checked = !set.has(key);
        box.addEventListener("change", () => {
          if (box.checked) set.delete(key); else set.add(key);
          this.layOut();
        });
        const only = make("button", { type: "button", class: "only", title: `Only ${title}` }, "only");
        only.addEventListener("click", () => {
          set.clear();
          for (const row of rows) if (row.key !== key) set.add(row.key);
          element.querySelectorAll("input").forEach((one) => { one.checked = one === box; });
          this.layOut();
        });
        const swatch = colour ? make("span", { class: "swatch" }) : "";
        if (colour) swatch.style.background = colour;
        return make("li", {}, make("label", {}, box, swatch, make("span", { class: "title" }, title)),
          make("span", { class: "count" }, detail), only);
      }));
    };
    const ofLane = new Map();
    const ofProtocol = new Map();
    const ofKind = new Map();
    for (let at = 0; at < run.count; at++) {
      const lane = this.diagrams[0].layout.of.get(run.process(at));
      if (lane) ofLane.set(lane, (ofLane.get(lane) || 0) + 1);
      const [counts, name] = run.isMessage(at) ? [ofProtocol, run.protocol(at)] : [ofKind, run.kind(at)];
      counts.set(name, (counts.get(name) || 0) + 1);
    }
    list(byId("filter-lanes"), this.hidden.lanes, this.lanes.map((lane) => ({
      key: this.laneKey(lane), title: lane.title + (lane.detail ? ` · ${lane.detail}` : ""),
      detail: (ofLane.get(lane) || 0).toLocaleString("en"),
    })));
    list(byId("filter-protocols"), this.hidden.protocols, [...ofProtocol].sort((a, b) => b[1] - a[1]).map(
      ([name, count]) => ({
        key: name, title: name, detail: count.toLocaleString("en"),
        colour: this.diagrams[0].palette[run.protocols.indexOf(name) % 6],
      })));
    list(byId("filter-kinds"), this.hidden.kinds, [...ofKind].sort((a, b) => b[1] - a[1]).map(
      ([name, count]) => ({ key: name, title: name, detail: count.toLocaleString("en") })));
    const connections = () => {
      const wanted = byId("filter-connection").value.trim().toLowerCase();
      const told = (one) => `c${one.number} ${one.from} → ${one.to}`;
      const rows = run.connections.filter((one) => `${told(one)} ${one.channel}`.toLowerCase().includes(wanted));
      list(byId("filter-connections"), this.hidden.connections, rows.slice(0, LISTED_CONNECTIONS).map((one) => ({
        key: one.number, title: told(one), detail: one.lines.toLocaleString("en"),
      })));
      const more = rows.length - LISTED_CONNECTIONS;
      byId("filter-more").textContent = more > 0 ? `and ${counted(more, "connection")} more: type to narrow the list` : "";
    };
    byId("filter-connection").oninput = connections;
    connections();
    byId("filter-none").onclick = () => this.clearFilters();
  }

  // Controls and keys.

  wire() {
    const search = byId("search");
    let later = 0;
    search.addEventListener("input", () => {
      clearTimeout(later);
      later = setTimeout(() => this.search(search.value), 120);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        clearTimeout(later);
        if (search.value.trim() !== (this.query || "")) this.search(search.value);
        else this.toHit(this.hit + (event.shiftKey ? -1 : 1));
      } else if (event.key === "Escape") {
        search.value = "";
        this.search("");
        this.diagrams[0].canvas.focus();
      }
    });
    byId("next").addEventListener("click", () => this.toHit(this.hit + 1));
    byId("previous").addEventListener("click", () => this.toHit(this.hit - 1));
    const half = () => this.view.height / 2;
    byId("zoom-in").addEventListener("click", () => this.view.zoom(1.5, half()));
    byId("zoom-out").addEventListener("click", () => this.view.zoom(1 / 1.5, half()));
    byId("fit").addEventListener("click", () => this.view.fit());
    const toggle = (id, option, after) => byId(id)?.addEventListener("click", (event) => {
      this.options[option] = !this.options[option];
      event.currentTarget.setAttribute("aria-pressed", String(after(this.options[option])));
      const centre = this.diagrams[0].rows.timeOf(this.view.row + this.view.height / this.view.rowPx / 2);
      this.layOut();
      if (option === "helpers" && byId("filter-lanes")) this.filters();
      this.view.row = this.diagrams[0].rows.rowOf(centre) - this.view.height / this.view.rowPx / 2;
      this.view.clamp();
      this.view.changed();
      if (this.chosen) this.bring(this.chosen.side, this.chosen.at);
    });
    toggle("true-time", "even", (even) => !even);
    toggle("helpers", "helpers", (helpers) => helpers);
    byId("help-open").addEventListener("click", () => byId("help").showModal());
    if (byId("filter-lanes")) this.filters();
    byId("problem")?.addEventListener("click", () => this.toTrouble(1));
    this.tellHits();
    addEventListener("keydown", (event) => this.key(event));
  }

  toTrouble(way) {
    const all = this.diagrams.flatMap((diagram, side) => [...this.runs[side].troubles]
      .filter((at) => !Number.isNaN(diagram.rows.begin[at]))
      .map((at) => ({ side, at, row: diagram.rows.begin[at] }))).sort((a, b) => a.row - b.row);
    if (!all.length) return;
    const now = this.chosen ? this.diagrams[this.chosen.side].rows.begin[this.chosen.at] : this.view.row - 1;
    const next = way > 0 ? all.find((one) => one.row > now) || all[0]
      : all.findLast((one) => one.row < now) || all.at(-1);
    this.select(next.side, next.at, true);
  }

  beside(way) {
    const side = this.chosen?.side ?? 0, rows = this.diagrams[side].rows;
    if (!rows.items.length) return;
    const row = this.chosen ? rows.begin[this.chosen.at] : this.view.row;
    let index = lastAtMost(rows.begins, row);
    // Several may be in one row where rows are times.
    if (this.chosen) {
      while (index > 0 && rows.items[index] > this.chosen.at) index--;
      index += way;
    } else {
      index += way > 0 ? 1 : 0;
    }
    this.select(side, rows.items[Math.max(0, Math.min(index, rows.items.length - 1))], true);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, textarea, dialog[open], summary");
    if (typing) return;
    const onButton = event.target.closest("button, a, pre, aside, nav");
    const page = this.view.height / this.view.rowPx;
    const nearest = (way) => {
      const next = this.chosen && this.walks[way].items.find((at) => at !== this.chosen.at);
      if (next !== undefined && next !== null) this.select(this.chosen.side, next, true);
    };
    const keys = {
      "/": () => byId("search").select(),
      "?": () => byId("help").showModal(),
      "n": () => this.toHit(this.hit + 1),
      "N": () => this.toHit(this.hit - 1),
      "e": () => this.toTrouble(1),
      "E": () => this.toTrouble(-1),
      "j": () => this.beside(1),
      "k": () => this.beside(-1),
      "h": () => nearest("causes"),
      "l": () => nearest("effects"),
      "+": () => this.view.zoom(1.4, this.view.height / 2),
      "=": () => this.view.zoom(1.4, this.view.height / 2),
      "-": () => this.view.zoom(1 / 1.4, this.view.height / 2),
      "0": () => this.view.fit(),
      "Escape": () => this.select(0, -1, false),
    };
    const moves = {
      "ArrowDown": () => this.view.scroll(60 / this.view.rowPx),
      "ArrowUp": () => this.view.scroll(-60 / this.view.rowPx),
      "ArrowLeft": () => this.across(-60),
      "ArrowRight": () => this.across(60),
      "PageDown": () => this.view.scroll(page * 0.9),
      "PageUp": () => this.view.scroll(-page * 0.9),
      "Home": () => this.view.scroll(-this.view.total),
      "End": () => this.view.scroll(this.view.total),
    };
    const action = keys[event.key] || (onButton ? null : moves[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  }

  across(px) {
    this.view.x += px;
    this.diagrams.forEach((diagram) => diagram.place());
    this.view.changed();
  }
}

function failed(error) {
  byId("loading").hidden = true;
  const notice = make("p", { class: "notice bad", role: "alert" }, `This page cannot be shown: ${error.message}. ` +
    "It needs a browser of 2023 or later.");
  document.body.prepend(notice);
  console.error(error);
}

async function open() {
  const from = performance.now();
  let explorer;
  if (byId("data-diff")) {
    const [a, b, diff] = await Promise.all(["data-a", "data-b", "data-diff"].map(unpack));
    explorer = openDiff(new Run(a), new Run(b), diff.header);
  } else {
    explorer = new Explorer([{ run: new Run(await unpack("data")), stage: byId("stage") }]);
  }
  byId("loading").hidden = true;
  document.body.classList.add("open");
  document.body.dataset.openMs = String(Math.round(performance.now() - from));
  // For whoever wants to ask more of a run than the page shows.
  globalThis.reenact = explorer;
}

open().catch(failed);
