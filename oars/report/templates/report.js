// Zoom of all crops, and a full-window view in which left and right flip between the models at the same place.
document.querySelector("#zoom")?.addEventListener("input", (event) => {
  document.body.style.setProperty("--zoom", event.target.value);
});

const dialog = document.querySelector("dialog");
let shown = null;

function show(figure) {
  shown = figure;
  dialog.querySelector("img").src = figure.querySelector("img").src;
  const scores = [...figure.querySelectorAll("figcaption span")].map((score) => score.innerText.replace(/\s+/g, " "));
  dialog.querySelector("b").textContent = figure.querySelector("b").textContent;
  dialog.querySelector("span").textContent = scores.join(" · ");
  if (!dialog.open) dialog.showModal();
}

function flip(step) {
  const figures = [...shown.parentElement.children];
  show(figures[(figures.indexOf(shown) + step + figures.length) % figures.length]);
}

document.querySelectorAll("figure button").forEach((button) => {
  button.addEventListener("click", () => show(button.closest("figure")));
});
dialog?.addEventListener("click", () => dialog.close());
dialog?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") flip(1);
  if (event.key === "ArrowLeft") flip(-1);
});
