// Shows one trial after the other. Order and sides are drawn from the rater's token, so they differ from rater to rater
// and are the same after a reload. Votes are kept here until the server has them; without a server they are saved as a
// file. A vote names the trial's own sides, a and b, wherever they were shown.
const study = JSON.parse(document.querySelector("#study").textContent);
const token = new URLSearchParams(location.search).get("token");
const served = location.protocol.startsWith("http") && token !== null;
const rater = token ?? (localStorage.oarsRater ??= Math.random().toString(36).slice(2));
const store = `oars-study-${study.id}-${rater}`;
const votes = JSON.parse(localStorage[store] ?? "{}");
const unsent = new Set(Object.keys(votes));
const panes = [...document.querySelectorAll("figure")];
const images = panes.map((pane) => pane.querySelector("img"));
const view = { zoom: 1, x: 0, y: 0 };
let at = 0, shown = null, since = 0, one = false, second = false;

function random(text) {
  let state = [...text].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 16777619), 2166136261);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function ordered() {
  const draw = random(study.id + rater);
  const trials = study.trials.map((trial) => ({ ...trial, place: draw(), swapped: draw() < 0.5 }));
  return trials.sort((a, b) => a.place - b.place);
}
const trials = ordered();

function sides() {
  const { a, b, swapped } = trials[at];
  return swapped ? [b, a] : [a, b];
}

function draw(over) {
  const [left, right] = over ? [over, over] : one && second ? [sides()[1], sides()[1]] : sides();
  images[0].src = study.pictures[left];
  images[1].src = study.pictures[right];
  document.body.classList.toggle("one", one);
  panes[0].querySelector("figcaption").textContent = one ? (second ? "Right" : "Left") : "Left";
  const { width, height } = trials[at], size = magnification();
  document.body.classList.toggle("near", size * view.zoom >= 2 && over !== trials[at].lr);
  const lengths = { x: view.x, y: view.y, width: width * size, height: height * size };
  for (const [name, value] of Object.entries(lengths)) document.body.style.setProperty(`--${name}`, `${value}px`);
  document.body.style.setProperty("--zoom", view.zoom);
}

// A whole number of screen pixels a pixel where the pictures fit, so that nothing is smoothed; else as large as fits.
function magnification() {
  const { width, height } = trials[at], pane = document.querySelector(".left .view");
  const fit = Math.min(pane.clientWidth / width, pane.clientHeight / height);
  return fit >= 1 ? Math.floor(fit) : fit;
}

async function show() {
  const done = Object.keys(votes).length;
  document.querySelector("#progress").textContent = `${done} of ${trials.length}`;
  document.body.dataset.done = done;
  document.querySelector("#unsent").textContent = served && unsent.size ? `${unsent.size} votes not sent yet` : "";
  shown = null;
  if (at >= trials.length) return finish();
  [one, second] = [false, false];
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  buttons(true);
  draw();
  await Promise.all(images.map((image) => image.decode()));
  [shown, since] = [trials[at], performance.now()];
  buttons(false);
  document.body.dataset.trial = shown.id;
}

function buttons(disabled) {
  document.querySelectorAll("button").forEach((button) => { button.disabled = disabled; });
}

function vote(side) {
  if (!shown) return;
  const choice = side === "tie" ? "tie" : (side === "left") !== shown.swapped ? "a" : "b";
  votes[shown.id] = { trial: shown.id, choice, milliseconds: Math.round(performance.now() - since) };
  unsent.add(shown.id);
  keep();
  send();
  at += 1;
  show();
}

function keep() {
  localStorage[store] = JSON.stringify(votes);
}

async function send() {
  if (!served) return;
  for (const trial of [...unsent]) {
    const sent = votes[trial];
    const answer = await fetch("votes", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify(sent),
    }).catch(() => null);
    if (!answer?.ok) break;
    if (votes[trial] === sent) unsent.delete(trial);
  }
  document.querySelector("#unsent").textContent = unsent.size ? `${unsent.size} votes not sent yet` : "";
  document.body.dataset.unsent = unsent.size;
}

function finish() {
  const file = { study: study.id, rater, votes: Object.values(votes) };
  const link = document.querySelector("dialog a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file)], { type: "application/json" }));
  document.querySelector("dialog").showModal();
}

function zoom(factor) {
  view.zoom = Math.min(16, Math.max(1, view.zoom * factor));
  if (view.zoom === 1) Object.assign(view, { x: 0, y: 0 });
  draw();
}

const keys = {
  ArrowLeft: () => vote("left"),
  ArrowRight: () => vote("right"),
  ArrowDown: () => vote("tie"),
  " ": () => { second = one ? !second : false; one = true; draw(); },
  s: () => { one = false; draw(); },
  "+": () => zoom(Math.SQRT2),
  "=": () => zoom(Math.SQRT2),
  "-": () => zoom(Math.SQRT1_2),
  i: () => trials[at].lr && draw(trials[at].lr),
  g: () => trials[at].gt && draw(trials[at].gt),
  Backspace: () => { at = Math.max(0, at - 1); document.querySelector("dialog").close(); show(); },
};

document.addEventListener("keydown", (event) => {
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.repeat) return;
  event.preventDefault();
  if (shown || event.key === "Backspace") keys[event.key]();
});
document.addEventListener("keyup", (event) => { if ("ig".includes(event.key) && shown) draw(); });
document.querySelectorAll("button").forEach((button) => {
  button.addEventListener("click", () => { button.blur(); vote(button.dataset.choice); });
});
addEventListener("resize", () => { if (shown) draw(); });
document.querySelector("main").addEventListener("wheel", (event) => {
  event.preventDefault();
  if (shown) zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
}, { passive: false });
document.querySelector("main").addEventListener("pointermove", (event) => {
  if (!event.buttons || !shown || view.zoom === 1) return;
  view.x += event.movementX;
  view.y += event.movementY;
  draw();
});

async function begin() {
  if (served) {
    const answer = await fetch("votes", { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
    for (const known of answer?.ok ? await answer.json() : []) {
      votes[known.trial] ??= known;
      if (votes[known.trial].choice === known.choice) unsent.delete(known.trial);
    }
    send();
  }
  const open = trials.findIndex((trial) => !(trial.id in votes));
  at = open < 0 ? trials.length : open;
  show();
}
begin();
