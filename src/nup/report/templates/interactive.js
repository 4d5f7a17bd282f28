"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector(".choices"), told = document.querySelector(".told");
/* On a telephone drawings are narrower, so that their letters are not smaller than others. */
const size = {width: window.innerWidth < 700 ? 380 : 560, height: 250, left: 62, right: 14, top: 10, bottom: 40};
const inner = {width: size.width - size.left - size.right, height: size.height - size.top - size.bottom};
const lists = {}, fields = [
  ["experiment", "Experiment"], ["setting", "Setting"], ["activation", "Activation"], ["family", "Net"], ["net", "Reading and size"],
  ["width", "Base width"], ["training", "Training"], ["depth", "Depth"], ["run", "Rate"],
];
let group, run;
const recorded = each => (each.history.step || []).length;
/* The experiments of which more is to be seen than the beginning and the end. */
const followed = [...new Set(data.groups.filter(each => each.runs.some(own => recorded(own) >= 40)).map(each => each.experiment))];

const number = value => value === null || value === undefined ? "not recorded" : String(value).replace("-", "−");
const percent = value => value === null ? "–" : `${Number((100 * value).toPrecision(3))} %`;
const runName = each => each.schedule.startsWith("constant") || each.schedule === ""
  ? `η = ${number(each.rate)}` : each.rate === null ? each.schedule : `${each.schedule}, η₀ = ${number(each.rate)}`;

function svg(tag, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function canvas(id, label) {
  const place = document.getElementById(id);
  place.replaceChildren();
  return svg("svg", {viewBox: `0 0 ${size.width} ${size.height}`, role: "group", "aria-label": label}, place);
}

function scale(low, high, start, length, logarithmic) {
  if (!(high > low)) { low = logarithmic ? low / 2 : low - 1; high = logarithmic ? high * 2 : high + 1; }
  const warp = logarithmic ? Math.log : value => value;
  const place = value => start + length * (warp(value) - warp(low)) / (warp(high) - warp(low));
  place.ticks = logarithmic ? decades(low, high) : steps(low, high);
  place.back = point => (point - start) / length * (high - low) + low;
  return place;
}

function decades(low, high) {
  const found = [], span = Math.log10(high / low);
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const digit of span < 2.5 ? [1, 2, 5] : [1]) {
      const tick = digit * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) found.push(Number(tick.toPrecision(3)));
    }
  if (found.length < 2) return [low, high].map(tick => Number(tick.toPrecision(2)));
  return found.filter((_, index) => index % Math.ceil(found.length / 7) === 0);
}

function steps(low, high) {
  const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(factor => factor * unit).find(each => each >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step) found.push(Number(tick.toPrecision(6)));
  return found;
}

function axes(drawing, x, y, xLabel, yLabel) {
  const bottom = size.top + inner.height;
  svg("path", {class: "axis", d: `M${size.left},${size.top}V${bottom}H${size.left + inner.width}`}, drawing);
  for (const tick of x.ticks) svg("text", {x: x(tick), y: bottom + 16, "text-anchor": "middle"}, drawing, number(tick));
  for (const tick of y.ticks) svg("text", {x: size.left - 6, y: y(tick) + 4, "text-anchor": "end"}, drawing, number(tick));
  svg("text", {x: size.left + inner.width / 2, y: size.height - 6, "text-anchor": "middle"}, drawing, xLabel);
  svg("text", {transform: `translate(13,${size.top + inner.height / 2}) rotate(-90)`, "text-anchor": "middle"}, drawing, yLabel);
}

function say(drawing, text) {
  svg("text", {x: size.width / 2, y: size.height / 2, "text-anchor": "middle"}, drawing, text);
}

/* From yellow (nothing learned) to dark blue: lightness falls, for those who do not tell hues apart. */
function shade(loss) {
  const share = Math.min(1, Math.max(0, -Math.log10(Math.max(loss, 1e-9)) / 3));
  const ends = [[240, 228, 150], [72, 150, 140], [28, 62, 110]], place = share * 2, from = Math.min(1, Math.floor(place));
  return `rgb(${ends[from].map((low, i) => Math.round(low + (place - from) * (ends[from + 1][i] - low))).join(",")})`;
}

function drawMap() {
  const drawing = canvas("map", "Map of the late loss by learning rate and depth");
  const cells = group.cells;
  if (!cells.length) { say(drawing, "no rates of its own"); return; }
  const rates = cells.map(cell => cell[1]), depths = [...new Set(cells.map(cell => cell[0]))].sort((a, b) => a - b);
  const x = scale(Math.min(...rates) / 1.3, Math.max(...rates) * 1.3, size.left, inner.width, true);
  const row = inner.height / depths.length, top = depth => size.top + inner.height - row * (depths.indexOf(depth) + 1);
  const y = value => top(value) + row / 2;
  y.ticks = depths;
  for (const depth of depths) {
    const own = cells.filter(cell => cell[0] === depth).sort((a, b) => a[1] - b[1]), places = own.map(cell => x(cell[1]));
    own.forEach((cell, i) => {
      const left = i ? (places[i - 1] + places[i]) / 2 : Math.max(size.left, places[0] - 14);
      const right = i + 1 < own.length ? (places[i] + places[i + 1]) / 2 : Math.min(size.left + inner.width, places[i] + 14);
      const text = `depth ${depth}, η = ${number(cell[1])}: late loss ${percent(cell[2])} of the constant predictor's, ` +
        `${percent(cell[3])} of ${cell[4]} runs stable`;
      const box = svg("rect", {
        x: left, y: top(depth) + 1, width: Math.max(2, right - left - 1), height: row - 2, fill: shade(cell[2]),
        role: "button", tabindex: 0, "aria-label": text,
      }, drawing);
      const chosen = run && run.depth === depth && run === nearest(depth, cell[1]) &&
        cell === own.reduce((best, each) => Math.abs(Math.log(each[1] / run.rate)) < Math.abs(Math.log(best[1] / run.rate)) ? each : best);
      if (chosen) box.classList.add("mark"), box.setAttribute("style", `fill:${shade(cell[2])}`);
      box.addEventListener("pointerenter", () => { told.textContent = text; });
      const pick = () => { choose({depth: String(depth), run: String(group.runs.indexOf(nearest(depth, cell[1])))}); };
      box.addEventListener("click", pick);
      box.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } });
    });
  }
  const edge = group.boundary.flatMap(([depth, rate]) => depths.includes(depth) && rate
    ? [`${x(rate)},${top(depth) + row}`, `${x(rate)},${top(depth)}`] : []);
  if (edge.length) svg("polyline", {class: "edge", points: edge.join(" ")}, drawing);
  axes(drawing, x, y, "learning rate η", "depth");
}

function nearest(depth, rate) {
  const own = group.runs.filter(each => each.depth === depth && each.rate !== null);
  return own.reduce((best, each) => !best || Math.abs(Math.log(each.rate / rate)) < Math.abs(Math.log(best.rate / rate)) ? each : best, null);
}

function drawHistory(id, label, logarithmic, reference, fixed) {
  const drawing = canvas(id, label), times = run.history.step || [], values = run.history[id] || [];
  const points = times.map((step, i) => [step, values[i]]).filter(([, value]) => value !== null && (!logarithmic || value > 0));
  if (!points.length) { say(drawing, "not recorded in this run"); return; }
  const found = points.map(point => point[1]).concat(reference === null ? [] : [reference]);
  const [low, high] = fixed || [Math.min(...found), Math.max(...found)], slack = logarithmic ? 0 : 0.05 * (high - low);
  const x = scale(times[0], times[times.length - 1], size.left, inner.width, false);
  const y = scale(low - slack, high + slack, size.top + inner.height, -inner.height, logarithmic);
  if (reference !== null) svg("path", {class: "edge", d: `M${size.left},${y(reference)}h${inner.width}`}, drawing);
  svg("polyline", {class: "line", points: points.map(([step, value]) => `${x(step)},${y(value)}`).join(" ")}, drawing);
  if (points.length < 60) for (const [step, value] of points) svg("circle", {class: "dot", cx: x(step), cy: y(value), r: 2.6}, drawing);
  axes(drawing, x, y, "step t", label);
  const cross = svg("path", {class: "cross", d: ""}, drawing);
  drawing.addEventListener("pointermove", event => {
    const box = drawing.getBoundingClientRect(), step = x.back((event.clientX - box.left) * size.width / box.width);
    const i = times.reduce((best, each, place) => Math.abs(each - step) < Math.abs(times[best] - step) ? place : best, 0);
    cross.setAttribute("d", `M${x(times[i])},${size.top}v${inner.height}`);
    told.textContent = momentText(i);
  });
}

function momentText(i) {
  const history = run.history, step = history.step[i];
  const at = run.evolution.reduce((best, each) => !best || Math.abs(each[0] - step) < Math.abs(best[0] - step) ? each : best, null);
  const layers = at ? `; e_k at step ${at[0]}: ${at[1].map(number).join(", ")}` : "";
  return `Step ${step}: loss ${number(history.loss[i])}, η_tλ_t ${number(history.edge[i])}, cosine ${number(history.cosine[i])}${layers}`;
}

function drawEvolution() {
  const drawing = canvas("evolution", "Evolution of the preactivations by layer");
  const found = run.evolution.filter(([step]) => step > 0), values = found.flatMap(each => each[1]).filter(value => value > 0);
  if (!values.length) { say(drawing, "not recorded in this run"); return; }
  const depth = Math.max(...found.map(each => each[1].length));
  const x = scale(0.5, depth + 0.5, size.left, inner.width, false);
  x.ticks = [...Array(depth).keys()].map(k => k + 1);
  const y = scale(Math.min(...values) / 1.2, Math.max(...values) * 1.2, size.top + inner.height, -inner.height, true);
  found.forEach(([step, own], index) => {
    const last = index === found.length - 1, text = own.map((value, k) => `e_${k + 1} = ${number(value)}`).join(", ");
    own.forEach((value, k) => {
      if (!(value > 0)) return;
      const dot = svg("circle", {class: last ? "dot" : "second", cx: x(k + 1), cy: y(value), r: 5}, drawing);
      dot.addEventListener("pointerenter", () => { told.textContent = `Step ${step}: ${text}`; });
    });
  });
  axes(drawing, x, y, `layer k (filled: step ${found[found.length - 1][0]}, the last recorded)`, "e_k");
}

function options(name, wanted) {
  const values = [...new Set(wanted.map(([value]) => value))], list = lists[name], before = list.value;
  list.replaceChildren(...values.map(value => new Option(wanted.find(([each]) => each === value)[1], value)));
  list.value = values.includes(before) ? before : values[0];
  list.parentNode.hidden = values.length < 2 && !["net", "depth", "run"].includes(name);
}

/* Each list offers what goes with the lists before it. */
function update() {
  let left = data.groups;
  for (const name of ["experiment", "setting", "activation", "family", "net", "width", "training"]) {
    options(name, left.map(each => [String(each[name]), String(each[name])]));
    left = left.filter(each => String(each[name]) === lists[name].value);
  }
  group = left[0];
  options("depth", group.runs.map(each => [String(each.depth), String(each.depth)]));
  const own = group.runs.filter(each => String(each.depth) === lists.depth.value);
  options("run", own.map(each => [String(group.runs.indexOf(each)), runName(each)]));
  run = group.runs[Number(lists.run.value)];
  told.textContent = `${group.net}, ${group.activation}, depth ${run.depth}, ${runName(run)}, seed ${run.seed}: ` +
    (run.status === "ok" ? "finished." : `${run.status}.`) +
    (recorded(run) < 10 && followed.length ? ` Only ${recorded(run)} of its steps were recorded; of ${followed.join(", ")} more were.` : "");
  drawMap();
  drawHistory("loss", "training loss", true, null, null);
  drawHistory("edge", "η_t λ_t", false, 2, null);
  drawHistory("cosine", "cosine", false, 0, [-1, 1]);
  drawEvolution();
}

function choose(values) {
  for (const [name, value] of Object.entries(values)) { lists[name].value = value; if (name === "depth") update(); }
  update();
}

for (const [name, text] of fields) {
  const label = document.createElement("label");
  lists[name] = document.createElement("select");
  lists[name].name = name;
  lists[name].addEventListener("change", update);
  label.append(text, lists[name]);
  form.append(label);
}
update();
