// The timeline: faults, servers and clients on lanes over time, on a canvas of the window's size.
//
// Everything is drawn afresh from three values: the data, the window of time and the filters. An
// operation that would be narrower than a pixel and equal to its neighbour is not drawn twice; that
// is all that keeps ten thousand of them fluent.
"use strict";

(() => {
  const section = document.getElementById("timeline");
  if (!section) return;
  const role = (name) => section.querySelector(`[data-role="${name}"]`);
  const data = JSON.parse(document.getElementById("timeline-data").textContent);
  const canvas = role("lanes");
  const minimap = role("minimap");
  const tip = role("tip");
  const spoken = role("spoken");

  // ---- The data, prepared once ----

  const operations = data.operations;
  const witness = new Set(data.witness);
  const witnessKeys = new Set(data.witness.map((id) => operations[id].key).filter((key) => key !== undefined));
  const witnessInOrder = [...data.witness].sort((a, b) => a - b);
  /** By client, in the order of invocations. */
  const byClient = data.clients.map(() => []);
  for (const operation of operations) {
    operation.searched = `#${operation.id} ${operation.label} ${operation.output ?? ""}`.toLowerCase();
    byClient[operation.client].push(operation);
  }
  const faults = [...data.faults].sort((a, b) => a.start - b.start);
  const faultKinds = [...new Set(faults.map((fault) => fault.kind))].sort();
  const faultEnd = (fault) => fault.end ?? data.end;

  /** One lane for each kind of fault, and more where faults of a kind overlap in time. */
  const faultLanes = faultKinds.flatMap((kind) => {
    const ends = [];
    for (const fault of faults.filter((candidate) => candidate.kind === kind)) {
      const free = ends.findIndex((end) => end <= fault.start);
      fault.row = free === -1 ? ends.length : free;
      ends[fault.row] = faultEnd(fault);
    }
    return ends.map((_, row) => ({ kind, row }));
  });
  for (const fault of faults) {
    fault.lane = faultLanes.findIndex((lane) => lane.kind === fault.kind && lane.row === fault.row);
  }
  const endOf = (operation) => operation.end ?? data.end;

  // ---- State ----

  const view = { start: data.window[0], end: data.window[1] };
  const filters = { key: "", client: "", text: "", outcomes: new Set(["ok", "fail", "info"]) };
  let selected = null;
  let hovered = null;
  let box = null;
  let layout = null;
  let density = null;
  let pending = false;

  const matches = (operation) => {
    if (witness.has(operation.id)) return true;
    if (!filters.outcomes.has(operation.outcome)) return false;
    if (filters.client !== "" && String(operation.client) !== filters.client) return false;
    if (filters.key === "witness" && !witnessKeys.has(operation.key)) return false;
    if (filters.key.startsWith("=") && operation.key !== filters.key.slice(1)) return false;
    return filters.text === "" || operation.searched.includes(filters.text);
  };

  let shownCount = 0;

  /** Decides once which operations are shown, not in every frame. */
  const applyFilters = () => {
    shownCount = 0;
    density = null;
    for (const operation of operations) {
      operation.shown = matches(operation);
      shownCount += operation.shown ? 1 : 0;
    }
    role("count").textContent = shownCount === operations.length
      ? `${operations.length} operations`
      : `${shownCount} of ${operations.length} operations`;
    redraw();
  };

  // ---- Times as text ----

  /** A time with as many digits as the step between two marks needs. */
  const time = (ns, step_ns = 1000) => {
    if (data.clock === "event") return `event ${Math.round(ns)}`;
    const digits = Math.min(9, Math.max(0, 9 - Math.floor(Math.log10(Math.max(1, step_ns)))));
    return `${(ns / 1e9).toFixed(digits)} s`;
  };

  const length = (ns) => {
    if (data.clock === "event") return `${ns} events`;
    for (const [unit, name] of [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]]) {
      if (ns >= unit) return `${Number((ns / unit).toPrecision(3))} ${name}`;
    }
    return `${ns} ns`;
  };

  // ---- Layout ----

  const GUTTER = 116;
  const AXIS = 26;
  const GAP = 10;
  const FLAGS = 18;

  const measure = () => {
    const width = canvas.clientWidth;
    density = null;
    const laneHeight = Math.max(9, Math.min(26, Math.floor(720 / Math.max(1, data.clients.length))));
    let y = AXIS;
    const lanes = [];
    const add = (kind, index, name, height) => {
      lanes.push({ kind, index, name, y, height });
      y += height;
    };
    faultLanes.forEach(({ kind, row }, index) => add("fault", index, row === 0 ? kind : "", 20));
    if (faultLanes.length > 0) y += GAP;
    data.nodes.forEach((name, index) => add("node", index, name, 20));
    if (data.nodes.length > 0) y += GAP;
    y += FLAGS;
    data.clients.forEach((name, index) => add("client", index, name, laneHeight));
    layout = { width, height: y + 8, lanes, laneHeight, plot: Math.max(50, width - GUTTER - 8) };
    resize(canvas, width, layout.height);
    canvas.style.height = `${layout.height}px`;
    resize(minimap, minimap.clientWidth, 56);
  };

  const resize = (target, width, height) => {
    const scale = window.devicePixelRatio || 1;
    target.width = Math.round(width * scale);
    target.height = Math.round(height * scale);
    target.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
  };

  const xOf = (ns) => GUTTER + (ns - view.start) / (view.end - view.start) * layout.plot;
  const timeAt = (x) => view.start + (x - GUTTER) / layout.plot * (view.end - view.start);

  // ---- Colours: those of the page, light or dark ----

  let colours = {};
  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    colours = {
      font: read("sans"),
    };
    for (const name of ["ink", "muted", "rule", "grid", "panel", "paper", "ok", "ok-soft", "fail", "fail-soft",
      "info", "info-soft", "bad", "focus", "state-leader", "state-follower", "state-candidate", "state-up", "state-down"]) {
      colours[name] = read(name);
    }
    colours.faults = new Map(faults.map((fault) => [fault.kind, read(`fault-${fault.colour}`)]));
    colours.hatch = hatch(colours["fail-soft"], colours.fail);
  };

  /** A failed operation is hatched, so that colour is not all that tells it apart. */
  const hatch = (ground, line) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const draw = tile.getContext("2d");
    draw.fillStyle = ground;
    draw.fillRect(0, 0, 6, 6);
    draw.strokeStyle = line;
    draw.beginPath();
    for (const offset of [-6, 0, 6]) {
      draw.moveTo(offset, 6);
      draw.lineTo(offset + 6, 0);
    }
    draw.stroke();
    return tile;
  };

  // ---- Drawing ----

  const redraw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      drawAll();
    });
  };

  const drawAll = () => {
    if (!layout || layout.width === 0) return;
    const g = canvas.getContext("2d");
    g.clearRect(0, 0, layout.width, layout.height);
    g.textBaseline = "middle";
    drawAxis(g);
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, layout.plot, layout.height);
    g.clip();
    drawFaults(g);
    drawNodes(g);
    const drawn = drawOperations(g);
    drawFirstBad(g);
    drawBox(g);
    g.restore();
    drawNames(g);
    drawMinimap();
    if (selected && !hovered) pinTip();
    section.dataset.drawn = drawn;
    section.dataset.operations = operations.length;
    document.dispatchEvent(new CustomEvent("squall:window", { detail: [view.start, view.end] }));
  };

  const text = (g, size, weight = "400") => { g.font = `${weight} ${size}px ${colours.font}`; };

  /** The largest of 1, 2, 5 times a power of ten that leaves marks some 110 pixels apart. */
  const axisStep = () => {
    const least = (view.end - view.start) / layout.plot * 110;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= least);
    return data.clock === "event" ? Math.max(1, step) : step;
  };

  const drawAxis = (g) => {
    const step = axisStep();
    text(g, 11);
    g.textAlign = "center";
    for (let mark = Math.ceil(view.start / step) * step; mark <= view.end; mark += step) {
      const x = Math.round(xOf(mark)) + 0.5;
      g.strokeStyle = colours.grid;
      g.beginPath();
      g.moveTo(x, AXIS - 4);
      g.lineTo(x, layout.height);
      g.stroke();
      g.fillStyle = colours.muted;
      const label = data.clock === "event" ? String(Math.round(mark)) : time(mark, step);
      const half = g.measureText(label).width / 2;
      if (x - half > GUTTER - 6 && x + half < layout.width) g.fillText(label, x, AXIS / 2);
    }
  };

  const drawNames = (g) => {
    g.textAlign = "right";
    for (const lane of layout.lanes) {
      text(g, lane.kind === "client" ? Math.min(12, layout.laneHeight) : 12);
      g.fillStyle = lane.kind === "fault" ? colours.faults.get(lane.name) : colours.muted;
      g.fillText(shortened(g, lane.name, GUTTER - 18), GUTTER - 10, lane.y + lane.height / 2);
      if (lane.kind === "client" || lane.kind === "node") {
        g.strokeStyle = colours.grid;
        g.beginPath();
        g.moveTo(8, lane.y + lane.height + 0.5);
        g.lineTo(layout.width - 8, lane.y + lane.height + 0.5);
        g.stroke();
      }
    }
  };

  const shortened = (g, label, width) => {
    if (g.measureText(label).width <= width) return label;
    let low = 0;
    let high = label.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (g.measureText(`${label.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    return low === 0 ? "" : `${label.slice(0, low)}…`;
  };

  const nodeNames = (targets) => targets.map((node) => data.nodes[node] ?? `node ${node}`).join(", ");

  /** A label that stays readable while its bar reaches out of the window to the left. */
  const labelIn = (g, label, x0, x1, y) => {
    const left = Math.max(x0, GUTTER) + 4;
    const shown = shortened(g, label, Math.min(x1, GUTTER + layout.plot) - left - 3);
    if (shown !== "") g.fillText(shown, left, y);
  };

  const drawFaults = (g) => {
    text(g, 11);
    g.textAlign = "left";
    for (const fault of faults) {
      if (fault.start > view.end || faultEnd(fault) < view.start) continue;
      const lane = layout.lanes[fault.lane];
      const x0 = xOf(fault.start);
      const x1 = Math.max(x0 + 2, xOf(faultEnd(fault)));
      const colour = colours.faults.get(fault.kind);
      // The band runs faintly down through all lanes, to be seen beside what it may have caused.
      g.fillStyle = colour;
      g.globalAlpha = 0.055;
      g.fillRect(x0, lane.y, x1 - x0, layout.height - lane.y);
      g.globalAlpha = 0.22;
      g.fillRect(x0, lane.y + 2, x1 - x0, lane.height - 4);
      g.globalAlpha = 1;
      g.fillRect(x0, lane.y + 2, 2, lane.height - 4);
      g.fillStyle = colours.ink;
      const felt = fault.observed === 0 ? ", never felt" : "";
      labelIn(g, `${nodeNames(fault.targets)}${felt}`, x0, x1, lane.y + lane.height / 2);
    }
  };

  const drawNodes = (g) => {
    const first = faultLanes.length;
    text(g, 11);
    for (const state of data.states) {
      const lane = layout.lanes[first + state.node];
      if (!lane || lane.kind !== "node" || state.start > view.end || state.end < view.start) continue;
      const x0 = xOf(state.start);
      const x1 = Math.max(x0 + 1, xOf(state.end));
      const y = lane.y + 3;
      const height = lane.height - 6;
      if (state.class === "down") {
        // A server that is down is a gap with a line through it.
        g.fillStyle = colours["state-down"];
        g.fillRect(x0, lane.y + lane.height / 2 - 1, x1 - x0, 2);
        g.fillRect(x0, y, 2, height);
        g.textAlign = "left";
        const shown = shortened(g, state.text, Math.min(x1, GUTTER + layout.plot) - Math.max(x0, GUTTER) - 12);
        if (shown !== "") {
          const left = Math.max(x0, GUTTER) + 6;
          g.fillStyle = colours.panel;
          g.fillRect(left - 2, y, g.measureText(shown).width + 4, height);
          g.fillStyle = colours.ink;
          g.fillText(shown, left, lane.y + lane.height / 2);
        }
        continue;
      }
      g.fillStyle = colours[`state-${state.class}`];
      g.fillRect(x0, y, x1 - x0, height);
      g.fillStyle = state.class === "leader" ? colours.ink : colours.muted;
      text(g, 11, state.class === "leader" ? "600" : "400");
      g.textAlign = "left";
      labelIn(g, state.text, x0, x1, lane.y + lane.height / 2);
    }
    for (const tick of data.ticks) {
      const lane = layout.lanes[first + tick.node];
      if (!lane || lane.kind !== "node" || tick.time < view.start || tick.time > view.end) continue;
      g.fillStyle = colours.ink;
      g.fillRect(xOf(tick.time), lane.y + 3, 1, lane.height - 6);
    }
    // A fault underlines the servers that it strikes.
    for (const fault of faults) {
      if (fault.start > view.end || faultEnd(fault) < view.start) continue;
      g.fillStyle = colours.faults.get(fault.kind);
      for (const target of fault.targets) {
        const lane = layout.lanes[first + target];
        if (lane?.kind !== "node") continue;
        const x0 = xOf(fault.start);
        g.fillRect(x0, lane.y + lane.height - 3, Math.max(2, xOf(faultEnd(fault)) - x0), 3);
      }
    }
  };

  const clientLane = (index) => layout.lanes[faultLanes.length + data.nodes.length + index];

  const bar = (operation) => {
    const lane = clientLane(operation.client);
    const inset = lane.height > 14 ? 3 : 1;
    const x0 = xOf(operation.start);
    const x1 = Math.max(x0 + 2, xOf(endOf(operation)));
    return { x0, x1, y: lane.y + inset, height: lane.height - 2 * inset };
  };

  /** Answers how many bars were drawn. */
  const drawOperations = (g) => {
    let drawn = 0;
    g.textAlign = "left";
    for (const lane of byClient) {
      let covered = { x: -Infinity, outcome: null };
      for (const operation of lane) {
        if (!operation.shown || operation.start > view.end || tailEnd(operation) < view.start || witness.has(operation.id)) continue;
        const shape = bar(operation);
        if (shape.x1 < covered.x + 0.7 && operation.outcome === covered.outcome) continue;
        covered = { x: shape.x1, outcome: operation.outcome };
        drawOperation(g, operation, shape);
        drawn += 1;
      }
    }
    // The witness last, on top of all.
    for (const id of witnessInOrder) {
      const operation = operations[id];
      if (operation.start > view.end || tailEnd(operation) < view.start) continue;
      drawOperation(g, operation, bar(operation));
      drawn += 1;
    }
    drawFlags(g);
    for (const operation of [selected, hovered]) {
      if (operation) outline(g, bar(operation), colours.focus, 2);
    }
    return drawn;
  };

  const tailEnd = (operation) => operation.outcome === "info" ? data.end : endOf(operation);

  const drawOperation = (g, operation, { x0, x1, y, height }) => {
    const strong = witness.has(operation.id);
    const related = witness.size === 0 || strong || witnessKeys.size === 0 || witnessKeys.has(operation.key);
    g.globalAlpha = related ? 1 : 0.5;
    if (operation.outcome === "info") {
      drawTail(g, operation, { x0, x1, y, height }, strong);
    } else if (operation.outcome === "fail") {
      g.fillStyle = x1 - x0 < 5 ? colours.fail : g.createPattern(colours.hatch, "repeat");
      g.fillRect(x0, y, x1 - x0, height);
    } else {
      g.fillStyle = strong || x1 - x0 < 4 ? colours.ok : colours["ok-soft"];
      g.fillRect(x0, y, x1 - x0, height);
      g.fillStyle = colours.ok;
      g.fillRect(x0, y, 1.5, height);
    }
    if (strong) outline(g, { x0, x1, y, height }, colours.bad, 2);
    if (strong && height >= 12) {
      witnessLabel(g, operation, { x0, x1, y, height });
    } else if (height >= 12 && x1 - x0 > 24) {
      text(g, 11);
      g.fillStyle = colours.ink;
      if (operation.outcome === "fail") plate(g, operation.label, x0, x1, y, height);
      labelIn(g, operation.label, x0, x1, y + height / 2 + 0.5);
    }
    g.globalAlpha = 1;
  };

  /** The witness is read even where its bars are short: the label then stands behind the bar, on
      ground of its own. */
  const witnessLabel = (g, operation, { x0, x1, y, height }) => {
    text(g, 11, "600");
    const width = g.measureText(operation.label).width;
    const middle = y + height / 2 + 0.5;
    const fits = width + 8 <= Math.min(x1, GUTTER + layout.plot) - Math.max(x0, GUTTER);
    if (fits || x1 - x0 > 240) {
      g.fillStyle = operation.outcome === "ok" ? colours.panel : colours.ink;
      if (operation.outcome === "fail") plate(g, operation.label, x0, x1, y, height);
      labelIn(g, operation.label, x0, x1, middle);
      return;
    }
    const shown = shortened(g, operation.label, 240);
    g.fillStyle = colours.panel;
    g.globalAlpha = 0.85;
    g.fillRect(x1 + 3, y, Math.min(width, 240) + 6, height);
    g.globalAlpha = 1;
    g.fillStyle = colours.bad;
    g.fillText(shown, x1 + 6, middle);
  };

  /** Ground under a label that stands on hatching. */
  const plate = (g, label, x0, x1, y, height) => {
    const left = Math.max(x0, GUTTER) + 4;
    const shown = shortened(g, label, Math.min(x1, GUTTER + layout.plot) - left - 3);
    if (shown === "") return;
    g.fillStyle = colours["fail-soft"];
    g.fillRect(left - 2, y + 1, g.measureText(shown).width + 4, height - 2);
    g.fillStyle = colours.ink;
  };

  /** An indeterminate operation is solid until its client gave up, and fades from there: it may take
      effect at any later time. Of the witness, a dashed line goes on to the end of the run. */
  const drawTail = (g, operation, { x0, x1, y, height }, strong) => {
    const fade = g.createLinearGradient(x1, 0, x1 + 90, 0);
    const colour = strong ? colours.info : colours["info-soft"];
    fade.addColorStop(0, colour);
    // The colour's own transparent: plain `transparent` is black, and fades through grey.
    fade.addColorStop(1, `${colour}00`);
    g.fillStyle = colour;
    g.fillRect(x0, y, x1 - x0, height);
    g.fillStyle = fade;
    g.fillRect(x1, y, 90, height);
    g.fillStyle = colours.info;
    g.fillRect(x0, y, 1.5, height);
    if (!strong) return;
    g.strokeStyle = colours.info;
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(x1, y + height + 1.5);
    g.lineTo(xOf(data.end), y + height + 1.5);
    g.stroke();
    g.setLineDash([]);
  };

  const outline = (g, { x0, x1, y, height }, colour, width) => {
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.strokeRect(x0 - 1, y - 1, x1 - x0 + 2, height + 2);
    g.lineWidth = 1;
  };

  /** The witness's numbers, in a row above the clients, each with a line down to its bar. */
  const drawFlags = (g) => {
    if (witnessInOrder.length === 0) return;
    const y = clientLane(0).y - FLAGS / 2;
    text(g, 11, "650");
    let free = -Infinity;
    const flagged = witnessInOrder.map((id) => operations[id]).sort((a, b) => a.start - b.start);
    for (const operation of flagged) {
      const { x0, y: top } = bar(operation);
      if (x0 > GUTTER + layout.plot || xOf(tailEnd(operation)) < GUTTER) continue;
      const x = Math.max(x0, GUTTER + 1);
      const label = `#${operation.id}`;
      g.strokeStyle = colours.bad;
      g.globalAlpha = 0.5;
      g.beginPath();
      g.moveTo(x, y + 6);
      g.lineTo(x, top);
      g.stroke();
      g.globalAlpha = 1;
      if (x < free) continue;
      g.fillStyle = colours.bad;
      g.fillText(label, x, y);
      free = x + g.measureText(label).width + 4;
    }
  };

  const drawFirstBad = (g) => {
    if (!data.first_bad) return;
    const x = xOf(data.first_bad.time);
    g.strokeStyle = colours.bad;
    g.lineWidth = 2;
    g.beginPath();
    g.moveTo(x, AXIS - 4);
    g.lineTo(x, layout.height);
    g.stroke();
    g.lineWidth = 1;
    g.fillStyle = colours.bad;
    g.beginPath();
    g.moveTo(x - 5, AXIS - 8);
    g.lineTo(x + 5, AXIS - 8);
    g.lineTo(x, AXIS);
    g.fill();
  };

  const drawBox = (g) => {
    if (!box) return;
    g.fillStyle = colours.focus;
    g.globalAlpha = 0.15;
    g.fillRect(Math.min(box.from, box.to), 0, Math.abs(box.to - box.from), layout.height);
    g.globalAlpha = 1;
  };

  // ---- The map above: the whole run ----

  const mapX = (ns) => GUTTER + ns / data.end * layout.plot;
  const mapTime = (x) => (x - GUTTER) / layout.plot * data.end;

  const drawMinimap = () => {
    const g = minimap.getContext("2d");
    g.clearRect(0, 0, layout.width, 56);
    text(g, 12);
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillStyle = colours.muted;
    g.fillText("whole run", GUTTER - 10, 30);
    for (const fault of faults) {
      g.fillStyle = colours.faults.get(fault.kind);
      g.globalAlpha = 0.3;
      g.fillRect(mapX(fault.start), 6, Math.max(1, mapX(faultEnd(fault)) - mapX(fault.start)), 6);
      g.globalAlpha = 1;
    }
    drawDensity(g);
    g.fillStyle = colours.bad;
    for (const id of witnessInOrder) g.fillRect(mapX(operations[id].start) - 1, 14, 2, 36);
    if (data.first_bad) {
      const x = mapX(data.first_bad.time);
      g.beginPath();
      g.moveTo(x - 5, 6);
      g.lineTo(x + 5, 6);
      g.lineTo(x, 14);
      g.fill();
    }
    const x0 = mapX(view.start);
    const x1 = Math.max(x0 + 3, mapX(view.end));
    g.fillStyle = colours.muted;
    g.globalAlpha = 0.14;
    g.fillRect(GUTTER, 4, x0 - GUTTER, 48);
    g.fillRect(x1, 4, GUTTER + layout.plot - x1, 48);
    g.globalAlpha = 1;
    g.strokeStyle = colours.ink;
    g.strokeRect(Math.round(x0) + 0.5, 4.5, Math.round(x1 - x0), 47);
  };

  /** How many operations started in each strip of three pixels, by outcome. */
  const measureDensity = () => {
    const strips = Math.max(1, Math.floor(layout.plot / 3));
    const counts = { ok: new Array(strips).fill(0), fail: new Array(strips).fill(0), info: new Array(strips).fill(0) };
    for (const operation of operations) {
      if (!operation.shown) continue;
      const strip = Math.min(strips - 1, Math.floor(operation.start / data.end * strips));
      counts[operation.outcome][strip] += 1;
    }
    let most = 1;
    for (let strip = 0; strip < strips; strip += 1) {
      most = Math.max(most, counts.ok[strip] + counts.fail[strip] + counts.info[strip]);
    }
    return { strips, counts, most };
  };

  const drawDensity = (g) => {
    density ??= measureDensity();
    for (let strip = 0; strip < density.strips; strip += 1) {
      let y = 50;
      for (const outcome of ["ok", "fail", "info"]) {
        const height = density.counts[outcome][strip] / density.most * 34;
        g.fillStyle = colours[outcome];
        g.fillRect(GUTTER + strip * 3, y - height, 2.4, height);
        y -= height;
      }
    }
  };

  // ---- Moving the window ----

  const setWindow = (start, end) => {
    const least = data.clock === "event" ? 4 : 200;
    const wanted = Math.max(least, Math.min(end - start, data.end * 1.02));
    const middle = (start + end) / 2;
    start = Math.max(-data.end * 0.01, Math.min(middle - wanted / 2, data.end * 1.01 - wanted));
    view.start = start;
    view.end = start + wanted;
    redraw();
  };

  const zoom = (factor, around = (view.start + view.end) / 2) => {
    setWindow(around - (around - view.start) * factor, around + (view.end - around) * factor);
  };

  const pan = (share) => {
    const by = (view.end - view.start) * share;
    setWindow(view.start + by, view.end + by);
  };

  const bringIntoView = (start, end) => {
    const width = view.end - view.start;
    if (start >= view.start && end <= view.end) return redraw();
    if (end - start > width) return setWindow(start - (end - start) * 0.2, end + (end - start) * 0.2);
    const middle = (start + end) / 2;
    setWindow(middle - width / 2, middle + width / 2);
  };

  let faultCursor = -1;
  const jumpToFault = (step) => {
    if (faults.length === 0) return;
    faultCursor = (faultCursor + step + faults.length) % faults.length;
    const fault = faults[faultCursor];
    const room = Math.max((faultEnd(fault) - fault.start) * 0.5, data.end / 500);
    setWindow(fault.start - room, faultEnd(fault) + room);
    spoken.textContent = `Fault ${fault.index}: ${fault.kind} of ${nodeNames(fault.targets)} at ${time(fault.start)}`;
  };

  const jumpToFirstBad = () => {
    if (!data.first_bad) return;
    const width = Math.min(view.end - view.start, data.end / 20);
    setWindow(data.first_bad.time - width / 2, data.first_bad.time + width / 2);
  };

  // ---- Selecting ----

  const select = (operation, { move = true } = {}) => {
    selected = operation;
    hovered = null;
    if (!operation) {
      tip.hidden = true;
      return redraw();
    }
    if (move) bringIntoView(operation.start, operation.end ?? operation.start);
    drawAll();
    const facts = operationTip(operation).rows.map(([name, value]) => `${name} ${value}`).join(", ");
    spoken.textContent = `${operation.label}, ${facts}`;
  };

  /** The selected operation's details stay below it while the window moves. */
  const pinTip = () => {
    const { x0, x1, y, height } = bar(selected);
    const [left, right] = [Math.max(GUTTER, x0), Math.min(x1, GUTTER + layout.plot)];
    if (left > right) tip.hidden = true;
    else showTip(operationTip(selected), (left + right) / 2, y + height);
  };

  const step = (list, by) => {
    if (list.length === 0) return;
    const at = list.indexOf(selected);
    const next = at === -1 ? (by > 0 ? 0 : list.length - 1) : at + by;
    if (list[next]) select(list[next]);
  };

  const selectFromHash = () => {
    const found = /^#op-(\d+)$/.exec(location.hash);
    const operation = found && operations[Number(found[1])];
    if (operation) select(operation);
  };

  // ---- What is under the pointer ----

  const laneAt = (y) => layout.lanes.find((lane) => y >= lane.y && y < lane.y + lane.height);

  const operationAt = (x, y) => {
    const lane = laneAt(y);
    if (lane?.kind !== "client") return null;
    const hit = byClient[lane.index].filter((operation) => {
      if (!operation.shown) return false;
      const { x0, x1 } = bar(operation);
      return x >= x0 - 2 && x <= x1 + 2;
    });
    // Of several, the witness; else the one that began last lies on top.
    return hit.find((operation) => witness.has(operation.id)) ?? hit.at(-1) ?? null;
  };

  const tipAt = (x, y) => {
    const lane = laneAt(y);
    if (!lane || x < GUTTER) return null;
    const at = timeAt(x);
    if (lane.kind === "fault") {
      const fault = faults.find((candidate) => candidate.lane === lane.index && at >= candidate.start && at <= faultEnd(candidate));
      return fault ? faultTip(fault) : null;
    }
    if (lane.kind === "node") {
      const state = data.states.find((candidate) => candidate.node === lane.index && at >= candidate.start && at < candidate.end);
      const near = (view.end - view.start) / layout.plot * 4;
      const ticks = data.ticks.filter((tick) => tick.node === lane.index && Math.abs(tick.time - at) <= near).slice(0, 8);
      if (!state && ticks.length === 0) return null;
      return {
        title: `${lane.name}: ${state?.text ?? "nothing reported yet"}`,
        rows: [
          ...(state ? [["from", time(state.start)], ["until", time(state.end)]] : []),
          ...ticks.map((tick) => [tick.kind, `${tick.text} at ${time(tick.time)}`]),
        ],
      };
    }
    return null;
  };

  const faultTip = (fault) => ({
    title: `fault ${fault.index}: ${fault.kind}`,
    rows: [
      ["targets", nodeNames(fault.targets)],
      ...(fault.parameters ? [["", fault.parameters]] : []),
      ["from", time(fault.start)],
      ["until", fault.end === null ? "the end" : time(fault.end)],
      ["observed", fault.observed === 0 ? "never felt" : String(fault.observed)],
    ],
  });

  const operationTip = (operation) => ({
    title: `#${operation.id}  ${operation.label}`,
    rows: [
      ["client", `${data.clients[operation.client]}, process ${operation.process}`],
      ...(operation.key === undefined ? [] : [["key", operation.key]]),
      ...(operation.input === undefined ? [] : [["asked", operation.input]]),
      ...(operation.output === undefined ? [] : [["answered", operation.output]]),
      ["outcome", operation.outcome],
      ...(operation.error === undefined ? [] : [["error", operation.error]]),
      ["invoked", time(operation.start)],
      ...(operation.end === undefined
        ? [["returned", "never"]]
        : [["returned", time(operation.end)], ["took", length(operation.end - operation.start)]]),
      ...(witness.has(operation.id) ? [["", "of the witness"]] : []),
    ],
  });

  const element = (name, content) => {
    const made = document.createElement(name);
    made.textContent = content;
    return made;
  };

  const showTip = ({ title, rows }, x, y) => {
    const list = document.createElement("dl");
    for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
    tip.replaceChildren(element("strong", title), list);
    tip.hidden = false;
    const top = y + minimap.offsetHeight + 8;
    tip.style.left = `${Math.max(4, Math.min(x + 8, layout.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${top}px`;
  };

  // ---- The pointer ----

  let drag = null;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, start: view.start, end: view.end, moved: false, box: event.shiftKey };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      drag.moved ||= Math.abs(event.offsetX - drag.x) > 3;
      if (drag.box) {
        box = { from: drag.x, to: event.offsetX };
        canvas.classList.add("boxing");
        return redraw();
      }
      if (!drag.moved) return;
      canvas.classList.add("dragging");
      const by = (drag.x - event.offsetX) / layout.plot * (drag.end - drag.start);
      return setWindow(drag.start + by, drag.end + by);
    }
    const operation = operationAt(event.offsetX, event.offsetY);
    if (operation !== hovered) {
      hovered = operation;
      redraw();
    }
    const content = operation ? operationTip(operation) : tipAt(event.offsetX, event.offsetY);
    if (content) showTip(content, event.offsetX, event.offsetY + 8);
    else if (selected) pinTip();
    else tip.hidden = true;
  });

  canvas.addEventListener("pointerup", (event) => {
    const ended = drag;
    drag = null;
    canvas.classList.remove("dragging", "boxing");
    if (!ended) return;
    if (box) {
      const [from, to] = [timeAt(Math.min(box.from, box.to)), timeAt(Math.max(box.from, box.to))];
      const wide = Math.abs(box.to - box.from) > 4;
      box = null;
      return wide ? setWindow(from, to) : redraw();
    }
    if (ended.moved) return;
    const operation = operationAt(event.offsetX, event.offsetY);
    select(operation, { move: false });
    if (operation) history.replaceState(null, "", `#op-${operation.id}`);
  });

  canvas.addEventListener("pointerleave", () => {
    hovered = null;
    if (!selected) tip.hidden = true;
    redraw();
  });

  canvas.addEventListener("dblclick", (event) => zoom(0.4, timeAt(event.offsetX)));

  // The page must still scroll under the wheel: the timeline takes it once it has been clicked.
  let hintTimer = 0;
  canvas.addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      return pan(event.deltaX / layout.plot);
    }
    if (!event.ctrlKey && document.activeElement !== canvas) {
      role("hint").hidden = false;
      clearTimeout(hintTimer);
      hintTimer = setTimeout(() => { role("hint").hidden = true; }, 900);
      return;
    }
    event.preventDefault();
    zoom(1.0015 ** Math.max(-400, Math.min(400, event.deltaY)), timeAt(event.offsetX));
  }, { passive: false });

  let mapDrag = null;
  minimap.addEventListener("pointerdown", (event) => {
    minimap.setPointerCapture(event.pointerId);
    const at = mapTime(event.offsetX);
    const inside = at >= view.start && at <= view.end && view.end - view.start < data.end * 0.9;
    mapDrag = { from: at, offset: inside ? at - view.start : null };
    if (!inside && !event.shiftKey) {
      const width = view.end - view.start;
      if (width < data.end * 0.9) {
        setWindow(at - width / 2, at + width / 2);
        mapDrag.offset = width / 2;
      }
    }
  });
  minimap.addEventListener("pointermove", (event) => {
    if (!mapDrag) return;
    const at = mapTime(event.offsetX);
    if (mapDrag.offset !== null) {
      setWindow(at - mapDrag.offset, at - mapDrag.offset + (view.end - view.start));
    } else if (Math.abs(at - mapDrag.from) > data.end / 200) {
      setWindow(Math.min(at, mapDrag.from), Math.max(at, mapDrag.from));
    }
  });
  minimap.addEventListener("pointerup", () => { mapDrag = null; });

  // ---- Buttons, filters, keys ----

  const help = role("help");
  const actions = {
    "witness": () => setWindow(...data.window),
    "all": () => setWindow(0, data.end),
    "zoom-in": () => zoom(0.6),
    "zoom-out": () => zoom(1 / 0.6),
    "next-fault": () => jumpToFault(1),
    "help": () => (help.open ? help.close() : help.showModal()),
  };
  for (const button of section.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => actions[button.dataset.action]());
  }

  for (const name of ["key", "client"]) {
    const list = section.querySelector(`select[data-filter="${name}"]`);
    list?.addEventListener("change", () => { filters[name] = list.value; applyFilters(); });
  }
  const search = section.querySelector('input[data-filter="text"]');
  search.addEventListener("input", () => { filters.text = search.value.toLowerCase().trim(); applyFilters(); });
  for (const checkbox of section.querySelectorAll("[data-outcome]")) {
    checkbox.addEventListener("change", () => {
      filters.outcomes[checkbox.checked ? "add" : "delete"](checkbox.dataset.outcome);
      applyFilters();
    });
  }

  const keys = {
    "w": actions.witness,
    "b": jumpToFirstBad,
    "a": actions.all,
    "f": () => jumpToFault(1),
    "F": () => jumpToFault(-1),
    "+": actions["zoom-in"],
    "=": actions["zoom-in"],
    "-": actions["zoom-out"],
    "j": () => step(witnessInOrder.map((id) => operations[id]), 1),
    "k": () => step(witnessInOrder.map((id) => operations[id]), -1),
    ".": () => step(operations.filter((operation) => operation.shown), 1),
    ",": () => step(operations.filter((operation) => operation.shown), -1),
    "/": () => search.focus(),
    "?": actions.help,
    "Escape": () => select(null),
  };
  const arrows = { ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), ArrowUp: () => zoom(0.75), ArrowDown: () => zoom(1 / 0.75) };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // Arrows scroll the page, unless the timeline has the focus.
    const act = keys[event.key] ?? (event.target === canvas ? arrows[event.key] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
    // What a key did must be seen, wherever on the page it was pressed.
    if (!["/", "?", "Escape"].includes(event.key)) canvas.scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.op");
    const found = link && /^#op-(\d+)$/.exec(link.getAttribute("href"));
    if (!found) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    select(operations[Number(found[1])]);
    canvas.scrollIntoView({ block: "nearest" });
  });
  window.addEventListener("hashchange", selectFromHash);

  // ---- Start ----

  const start = () => {
    measure();
    drawAll();
  };
  readColours();
  applyFilters();
  start();
  new ResizeObserver(start).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); drawAll(); });
  canvas.setAttribute("aria-label", `Timeline: ${operations.length} operations of ${data.clients.length} clients, `
    + `${faults.length} faults, ${data.nodes.length} servers, ${data.witness.length} operations of the witness`);
  selectFromHash();
})();
