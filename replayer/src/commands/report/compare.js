// The difference of two runs: its causes, which are in the page as text, and both runs side by side.

function openDiff(a, b, { pairs, matched }) {
  const runs = [a, b];
  const lineOf = runs.map((run) => {
    const lines = new Map();
    for (let at = 0; at < run.count; at++) {
      const event = run.event(at);
      if (!lines.has(event)) lines.set(event, []);
      lines.get(event).push(at);
    }
    return lines;
  });
  // An event may have made several messages: those are pairs in their order.
  const used = [new Map(), new Map()];
  const next = (side, event) => {
    const lines = (lineOf[side].get(event) || []).filter((at) => runs[side].isMessage(at));
    const count = used[side].get(event) || 0;
    used[side].set(event, count + 1);
    return lines[Math.min(count, lines.length - 1)];
  };
  const both = [];
  for (const [eventA, eventB] of matched) {
    const pair = [next(0, eventA), next(1, eventB)];
    if (pair.every((at) => at !== undefined)) both.push(pair);
  }
  const marked = [[], []];
  const buttons = [...document.querySelectorAll("[data-side]")];
  for (const button of buttons) {
    const side = button.dataset.side === "b" ? 1 : 0;
    const lines = lineOf[side].get(button.dataset.event) || [];
    marked[side].push(...lines);
  }
  const explorer = new Explorer(
    [{ run: a, stage: byId("stage-a") }, { run: b, stage: byId("stage-b") }],
    { pairs, matched: both, marked });
  for (const button of buttons) {
    const side = button.dataset.side === "b" ? 1 : 0;
    button.addEventListener("click", () => {
      if (!explorer.selectEvent(side, button.dataset.event, button.dataset.text)) {
        byId("live").textContent = `${button.dataset.event} is not among the lines of this page.`;
        button.classList.add("absent");
      }
    });
  }
  if (!explorer.chosen && buttons.length) buttons[0].click();
  return explorer;
}
