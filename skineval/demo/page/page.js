// The page: it knows nothing that the API does not tell it, and talks to nobody else.
const at = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(1)} %`;

const HIGHEST = 24;  // rem, of the picture

let model = null;   // what api/model says
let given = null;   // the file that is looked at
let answer = null;  // what api/predict said of it
let asked = 0;      // how often it was asked, so that a late answer to an earlier question is not shown

function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function nameOf(label) {
  const known = model.classes.find(one => one.label === label);
  return known ? known.name : label;
}

function within(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function complain(text) {
  at("error").textContent = text;
  at("error").hidden = !text;
  if (text) at("error").scrollIntoView({ block: "nearest" });
}

async function read(response) {
  const said = await response.json().catch(() => ({ error: `The server answered ${response.status}.`, hint: "" }));
  if (!response.ok) throw new Error([said.error, said.hint].filter(Boolean).join(" "));
  return said;
}

async function ask(explainer) {
  const form = new FormData();
  form.append("image", given, "image");
  form.append("explainer", explainer);
  form.append("target", explainer ? at("target").value : "");
  return read(await fetch("api/predict", { method: "POST", body: form }));
}

// Do something for the image that is given; what it returns is shown unless another question was asked since.
async function busy(words, question, show) {
  const turn = ++asked;
  work(words);
  complain("");
  try {
    const said = await question();
    if (turn === asked) show(said);
  } catch (error) {
    if (turn === asked) {
      complain(error instanceof TypeError ? "skineval does not answer. Is it still running?" : error.message);
    }
  } finally {
    if (turn === asked) work("");
  }
}

// Say what is being done; nothing with "".
function work(words) {
  at("status").textContent = words;
  at("answer").classList.toggle("busy", Boolean(words));
  at("answer").setAttribute("aria-busy", String(Boolean(words)));
}

async function look(file, reference = "") {
  if (!file) return;
  given = file;
  answer = null;
  at("result").hidden = at("explanation").hidden = true;
  at("overlay").hidden = true;
  at("target").value = "";
  for (const button of document.querySelectorAll("#sample-list button")) {
    button.setAttribute("aria-pressed", String(Boolean(reference) && button.dataset.label === reference));
  }
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(file);
  stage(true);
  at("drop").scrollIntoView({ block: "nearest" });
  if (file.size > model.most_bytes) {
    asked += 1;
    work("");
    complain(`The image has more than ${megabytes()} MB. Scale it down.`);
    return;
  }
  await busy("Looking …", () => ask(""), said => { answer = said; showAnswer(reference); });
  if (answer && given === file) await explain();
}

function explain() {
  const name = at("explainer").value;
  return busy(`Asking ${name} where it looked …`, () => ask(name), said => showMap(said.explanation));
}

function showAnswer(reference) {
  const first = answer.predicted;
  if (at("stage").hidden) showSeen();
  at("verdict").textContent = first === "undecided"
    ? "It cannot decide: two diagnoses are equally probable to it."
    : `Of what it knows, it takes this for ${nameOf(first)} (${percent(answer.confidence)}).`;
  at("reference").textContent = reference ? `The reference diagnosis of this sample: ${nameOf(reference)}.` : "";
  at("reference").hidden = !reference;
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  at("bars").replaceChildren(...ranked.map(([label, share]) => bar(label, share)));
  showMalignancy(answer.malignancy);
  at("target").options[0].textContent = `${nameOf(ranked[0][0])} (its answer)`;
  at("result").hidden = at("explanation").hidden = false;
}

function bar(label, share) {
  const known = model.classes.find(one => one.label === label);
  const row = element("li", "", { className: known.malignant ? "malignant" : "" });
  const name = element("span", within(known.name));
  const mark = [known.name === label ? "" : label, known.malignant ? "malignant" : ""].filter(Boolean).join(", ");
  if (mark) name.append(" ", element("small", mark));
  const track = element("progress", "", { className: "track", max: 1, value: share });
  track.setAttribute("aria-hidden", "true");
  row.append(name, element("span", percent(share), { className: "value" }), track);
  return row;
}

function showMalignancy(found) {
  at("malignancy").hidden = !found;
  if (!found) return;
  const suspicious = found.suspicious === true;
  at("scale").classList.toggle("suspicious", suspicious);
  at("malignancy-fill").style.width = `${100 * found.probability}%`;
  at("malignancy-mark").hidden = found.threshold === null;
  const kinds = model.classes.filter(one => one.malignant).map(one => one.name).join(", ");
  let words = `Together, malignant diagnoses (${kinds}) have ${percent(found.probability)}.`;
  if (found.threshold !== null) {
    at("malignancy-mark").style.left = `${100 * found.threshold}%`;
    words += ` The line is the threshold chosen on validation images, ${percent(found.threshold)}: `
      + (suspicious ? "this counts as suspicious." : "this does not count as suspicious, which rules nothing out.");
  }
  at("malignancy-words").textContent = words;
  at("scale").setAttribute("aria-label", words);
}

// Of a format that this browser does not show, such as TIFF, what the network sees.
function showSeen() {
  at("picture").src = answer.seen;
  stage(true);
}

// Show the picture, or invite one.
function stage(shown) {
  at("stage").hidden = !shown;
  at("invitation").hidden = shown;
}

function showMap(found) {
  at("overlay").hidden = !found.heatmap;
  at("legend").hidden = !found.heatmap;
  at("explanation-words").textContent = [
    found.silence ? `${found.explainer} shows nothing: ${found.silence}` : "",
    model.explainers.find(one => one.name === found.explainer).summary,
    found.positions,
    found.silence ? "" : "It hints at what the answer depends on, and does not show where disease is.",
  ].filter(Boolean).join(" ");
  if (!found.heatmap) return;
  at("overlay").src = found.heatmap;
  at("overlay").alt = `Heatmap of ${found.explainer} for ${nameOf(found.target)}`;
  place();
}

// The map is of the square that the network sees; where that lies on the picture depends on how it was cut out of it.
function place() {
  const { offsetWidth: width, offsetHeight: height } = at("picture");
  const side = { crop: Math.min(width, height), pad: Math.max(width, height) }[model.fit];
  const [w, h] = side ? [side, side] : [width, height];
  Object.assign(at("overlay").style, {
    width: `${w}px`, height: `${h}px`, left: `${(width - w) / 2}px`, top: `${(height - h) / 2}px`,
    opacity: at("opacity").value / 100,
  });
}

function megabytes() {
  return Math.floor(model.most_bytes / 2 ** 20);
}

function introduce() {
  at("model").textContent = model.model;
  at("stamps").replaceChildren(...model.stamps.map(text => element("li", text)));
  at("standing").replaceChildren(...[...model.standing, ...model.remarks].map(text => element("p", text)));
  at("limits").textContent =
    `Images of up to ${megabytes()} MB; the model sees them as ${model.image_size} × ${model.image_size} pixels.`;
  at("explainer").replaceChildren(...model.explainers.map(one =>
    element("option", one.silence ? `${one.name} (no map of this network)` : one.name, { value: one.name })));
  at("target").replaceChildren(element("option", "its answer", { value: "" }),
    ...model.classes.map(one => element("option", one.name, { value: one.label })));
  at("samples").hidden = !model.samples.length;
  at("samples-origin").textContent = `${within(model.samples_origin)}.`;
  at("sample-list").replaceChildren(...model.samples.map(one => {
    const button = element("button", "", { type: "button" });
    button.dataset.label = one.label;
    button.setAttribute("aria-pressed", "false");
    button.append(element("img", "", { src: one.url, alt: "" }), one.name);
    button.addEventListener("click", async () => look(await (await fetch(one.url)).blob(), one.label));
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function offerCamera() {
  const lens = at("lens"), view = at("view");
  const stop = () => { view.srcObject?.getTracks().forEach(track => track.stop()); view.srcObject = null; };
  at("camera").addEventListener("click", async () => {
    // A telephone has an app for it; and only pages of this very machine, or behind TLS, are given the camera itself.
    if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices) return at("shot").click();
    try {
      view.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      lens.showModal();
    } catch {
      complain("There is no camera that this page may use.");
    }
  });
  at("snap").addEventListener("click", () => {
    const canvas = element("canvas", "", { width: view.videoWidth, height: view.videoHeight });
    canvas.getContext("2d").drawImage(view, 0, 0);
    canvas.toBlob(shot => { lens.close(); look(shot); }, "image/jpeg", 0.95);
  });
  at("close").addEventListener("click", () => lens.close());
  lens.addEventListener("close", stop);
}

function listen() {
  for (const id of ["file", "shot"]) {
    at(id).addEventListener("change", event => { look(event.target.files[0]); event.target.value = ""; });
  }
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, event => {
      event.preventDefault();
      at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") look(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", event => look(event.clipboardData.files[0]));
  for (const id of ["explainer", "target"]) at(id).addEventListener("change", explain);
  at("opacity").addEventListener("input", place);
  at("picture").addEventListener("load", ({ target: { naturalWidth, naturalHeight } }) => {
    at("stage").style.width = `min(100%, ${HIGHEST * naturalWidth / naturalHeight}rem)`;
    place();
  });
  at("picture").addEventListener("error", () => { if (answer) showSeen(); else stage(false); });
  addEventListener("resize", place);
  offerCamera();
}

try {
  model = await read(await fetch("api/model"));
  introduce();
  listen();
  document.body.dataset.ready = "true";
} catch (error) {
  complain(`skineval does not answer: ${error.message}`);
}
