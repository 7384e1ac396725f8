// What is told of one line in the panel beside the diagram, and in the tip below the pointer. All text
// goes into the page as text.

const LISTED_FIRST = 60;
const HIGHLIGHTED_MAX = 4000;

/** An element with classes, attributes and children; strings become text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** A payload's lines, with the names of fields apart from their values. */
function payloadOf(text) {
  const pre = make("pre", { class: "payload", tabindex: "0", "aria-label": "Payload" });
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const named = /^( *(?:- )?)([A-Za-z_$][\w.$-]{0,60}:)( .*|)$/.exec(line);
    if (named) pre.append(named[1], make("b", {}, named[2]), named[3], "\n");
    else pre.append(line, "\n");
  }
  return pre;
}

function copyable(command) {
  const button = make("button", { type: "button", class: "copy", title: "Copy" }, "Copy");
  const code = make("code", {}, command);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  });
  return make("div", { class: "command" }, code, button);
}

class Tip {
  constructor(element) { this.element = element; }
  show(run, at, event) {
    const tip = this.element;
    if (at < 0) {
      tip.hidden = true;
      this.at = -1;
      return;
    }
    if (this.at !== at || this.run !== run) {
      this.at = at;
      this.run = run;
      const payload = run.payload(at);
      tip.replaceChildren(
        make("div", { class: "tip-route" }, run.route(at)),
        make("div", { class: "tip-text" }, run.text(at)),
        make("div", { class: "tip-facts" }, factsOf(run, at).join(" · ")),
        payload ? payloadOf(payload.length > 1200 ? payload.slice(0, 1200) + "…" : payload) : "");
    }
    tip.hidden = false;
    const { clientX, clientY } = event, box = tip.getBoundingClientRect();
    const left = clientX + 18 + box.width < innerWidth ? clientX + 18 : Math.max(8, clientX - box.width - 14);
    const top = Math.max(8, Math.min(clientY + 14, innerHeight - box.height - 8));
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }
}

function factsOf(run, at) {
  const facts = [run.event(at), `${seconds(run.time(at))} s`];
  if (run.protocol(at)) facts.push(run.protocol(at));
  if (run.took(at) >= 0) facts.push(`took ${duration(run.took(at))}`);
  if (run.broken(at)) facts.push(run.broken(at));
  return facts;
}

class Panel {
  /** `select(at, run)` selects another line. */
  constructor(element, select) {
    this.element = element;
    this.select = select;
    this.idle = [...element.childNodes];
  }

  clear() { this.element.replaceChildren(...this.idle); }

  /** `walks`: what led to the line, and what it led to. */
  show(run, at, walks) {
    const fact = (name, ...value) => [make("dt", {}, name), make("dd", {}, ...value)];
    const facts = [fact("Event", run.event(at)), fact("Time", `${seconds(run.time(at))} s`)];
    if (run.isMessage(at)) {
      const connection = run.byConnection.get(run.connection(at));
      const received = run.received(at);
      if (received) {
        facts.push(fact("Received", received, make("span", { class: "quiet" },
          ` ${duration(Math.max(0, run.arrived(at) - run.told(at)))} later`)));
      } else if (!run.isIncoming(at) && run.other(at) >= 0) {
        facts.push(fact("Received", "never"));
      }
      facts.push(fact("Protocol", run.protocol(at)));
      facts.push(fact("Connection", `c${run.connection(at)} ${connection ? connection.channel : ""}`));
    } else {
      facts.push(fact("Kind", run.kind(at)));
    }
    const request = run.request(at);
    if (request >= 0) facts.push(fact("Answers", this.link(run, request)));
    if (run.took(at) >= 0) facts.push(fact("Took", duration(run.took(at))));
    if (run.broken(at)) facts.push(fact("Broken", make("span", { class: "bad" }, run.broken(at))));
    const process = run.byNumber.get(run.process(at));
    if (process?.command) facts.push(fact("Program", make("code", {}, process.command)));
    const payload = run.payload(at);
    this.element.replaceChildren(
      make("h2", {}, run.route(at)),
      make("p", { class: run.isTrouble(at) ? "said bad" : "said" }, run.text(at)),
      make("dl", {}, ...facts.flat()),
      payload ? payloadOf(payload) : "",
      this.walk("causes", "Causes", "What led to it, nearest first", run, at, walks.causes),
      this.walk("effects", "Effects", "What it led to, nearest first", run, at, walks.effects));
    this.element.scrollTop = 0;
  }

  link(run, at) {
    return make("button", { type: "button", class: "event", onclick: () => this.select(at, run) }, run.event(at));
  }

  walk(kind, title, help, run, from, { items, leftOut, more }) {
    const list = make("ol", { class: "walk", id: `list-${kind}` });
    const row = (at) => make("li", {}, make("button", {
      type: "button", "data-item": at, "data-event": run.event(at), onclick: () => this.select(at, run),
    },
    make("span", { class: "event" }, run.event(at)),
    make("span", { class: "when" }, sign(run.time(at) - run.time(from))),
    make("span", { class: "route" }, run.route(at)),
    make("span", { class: run.isTrouble(at) ? "what bad" : "what" }, run.text(at))));
    list.append(...items.slice(0, LISTED_FIRST).map(row));
    const rest = items.length - LISTED_FIRST;
    const further = rest > 0 && make("button", { type: "button", class: "further" },
      `Show ${more ? "" : "all "}${rest.toLocaleString("en")} more`);
    if (further) {
      further.addEventListener("click", () => {
        list.append(...items.slice(LISTED_FIRST).map(row));
        further.remove();
      });
    }
    const count = more ? `${items.length.toLocaleString("en")}+` : items.length.toLocaleString("en");
    const command = `replay show --${kind}-of ${run.event(from)} ${run.file}`;
    return make("section", { class: kind, "aria-label": `${title}: ${help}` },
      make("h3", {}, title, make("span", { class: "count" }, count)),
      copyable(command),
      items.length ? list : make("p", { class: "quiet" }, kind === "causes" ? "Nothing before it." : "Nothing after it."),
      further || "",
      leftOut ? make("p", { class: "notice" }, "There is more in a part of the run that this page leaves out.") : "");
  }
}

function sign(ns) { return `${ns < 0 ? "−" : "+"}${duration(Math.abs(ns))}`; }
