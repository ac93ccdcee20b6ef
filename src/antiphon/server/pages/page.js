// The plain page: sign in, see the documents, ask, watch the answer, stop it. What is shown comes from the topics alone, so a
// reload, a second tab and a lost connection all lead to the same page.
import { api } from "./api.js";
import { Live } from "./live.js";
import { fillTexts, text } from "./texts.js";
import { documentRow, MessageView, sessionRow } from "./view.js";

const $ = id => document.getElementById(id);
const state = { workspace: null, session: null, topic: null, views: new Map(), dirty: false, busy: false, following: true };
const live = new Live({ onChange: changed, onState: connectionChanged });

async function start() {
  fillTexts();
  $("composer").placeholder = text("askHere");
  $("socket-address").textContent = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/chat`;
  listen();
  try {
    const me = await api("GET", "/me");
    await enter(me.user ?? me);
  } catch (error) {
    if (error.status === 401) showSignIn();
    else showNotice(error.message);
  }
}

function showSignIn() {
  live.close();
  closeSession();
  state.workspace = null;
  $("signed-in").hidden = true;
  for (const id of ["sign-out", "new", "workspace-choice"]) $(id).hidden = true;
  $("user").textContent = "";
  $("connection").textContent = "";
  $("signed-out").hidden = false;
  $("sign-in-name").focus();
}

async function enter(me) {
  $("signed-out").hidden = true;
  $("signed-in").hidden = false;
  $("user").textContent = me.name;
  for (const id of ["sign-out", "new"]) $(id).hidden = false;
  const { items } = await api("GET", "/workspaces?limit=200");
  const choice = $("workspace");
  choice.replaceChildren(...items.map(item => new Option(item.name, item.id)));
  $("workspace-choice").hidden = items.length < 2;
  live.open();
  const wanted = sessionInAddress();
  let session = null;
  if (wanted) session = await api("GET", `/sessions/${encodeURIComponent(wanted)}`).catch(() => null);
  const workspaceId = session?.workspace_id ?? items[0]?.id;
  if (workspaceId) await openWorkspace(workspaceId);
  if (session) openSession(session.id);
  else if (wanted) location.hash = "";
  $("composer").focus();
}

function sessionInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("session");
}

// --- workspace and documents

async function openWorkspace(id) {
  if (state.workspace) live.forget(`workspace:${state.workspace}`);
  state.workspace = id;
  $("workspace").value = id;
  live.watch(`workspace:${id}`);
  await Promise.all([loadDocuments(), loadSessions()]);
}

async function loadDocuments() {
  const { documents } = await api("GET", `/workspaces/${state.workspace}/documents?limit=100`);
  const ready = documents.filter(found => found.state === "ready").length;
  $("documents").replaceChildren(...documents.map(documentRow));
  $("sample-hint").textContent = ready ? text("documentsReady", ready) : documents.length ? "" : text("noDocuments");
}

async function loadSessions() {
  const { items } = await api("GET", `/sessions?workspace_id=${state.workspace}&limit=12`);
  $("sessions").replaceChildren(...items.map(item => sessionRow(item, state.session)));
}

const refresh = { documents: later(loadDocuments), sessions: later(loadSessions) };

// Calls at most every 300 ms, the last time always.
function later(load) {
  let timer = 0;
  return () => {
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      load().catch(error => showNotice(error.message));
    }, 300);
  };
}

async function upload(files) {
  if (!files.length) return;
  const form = new FormData();
  for (const file of files) form.append("file", file);
  $("upload-error").textContent = "";
  showNotice(text("uploading", files.length === 1 ? files[0].name : String(files.length)));
  try {
    await api("POST", `/workspaces/${state.workspace}/documents`, form);
    showNotice("");
  } catch (error) {
    showNotice("");
    $("upload-error").textContent = error.message;
  }
  $("files").value = "";
  refresh.documents();
}

// --- the conversation

function openSession(id) {
  if (state.session === id) return;
  closeSession();
  state.session = id;
  state.topic = live.watch(`session:${id}`);
  if (sessionInAddress() !== id) history.replaceState(null, "", `#session=${encodeURIComponent(id)}`);
  refresh.sessions();
  draw();
}

function closeSession() {
  if (state.session) live.forget(`session:${state.session}`);
  Object.assign(state, { session: null, topic: null });
  state.views.clear();
  $("messages").replaceChildren();
  draw();
}

function changed(topic, frame) {
  if (topic.topic === `workspace:${state.workspace}`) {
    if (frame.type.startsWith("document_")) refresh.documents();
    if (frame.type.startsWith("session_")) refresh.sessions();
  }
  if (topic !== state.topic) return;
  if (frame.type === "unsubscribed" || frame.type === "session_deleted") {
    closeSession();
    location.hash = "";
    showNotice(frame.reason ?? "");
    return;
  }
  if (frame.type === "complete") {
    $("announcer").textContent = frame.status === "completed" ? text("done") : "";
    refresh.sessions();
  }
  if (frame.type === "session_updated") refresh.sessions();
  if (!state.dirty) {
    state.dirty = true;
    // A hidden tab gets no animation frames; its text must go on all the same.
    if (document.hidden) setTimeout(draw, 50);
    else requestAnimationFrame(draw);
  }
}

function draw() {
  state.dirty = false;
  const topic = state.topic;
  const list = $("messages");
  const wanted = topic ? [...topic.messages.values()] : [];
  for (const [id, view] of state.views) {
    if (topic?.messages.has(id)) continue;
    view.element.remove();
    state.views.delete(id);
  }
  wanted.forEach((message, index) => {
    let view = state.views.get(message.id);
    if (view) view.update(message);
    else state.views.set(message.id, view = new MessageView(message));
    if (list.children[index] !== view.element) list.insertBefore(view.element, list.children[index] ?? null);
  });
  const running = Boolean(topic?.runs.size);
  $("stop").hidden = !running;
  $("send").hidden = running;
  $("send").disabled = state.busy;
  $("welcome").hidden = wanted.length > 0;
  $("earlier").hidden = !topic?.hasMore;
  if (state.following && wanted.length) follow(state.views.get(wanted.at(-1).id));
}

// Keeps the end of the text in view, and what stands below it out of the way.
function follow(view) {
  const below = view.body.getBoundingClientRect().bottom - window.innerHeight + 200;
  if (below > 0) window.scrollBy(0, below);
}

async function ask() {
  const content = $("composer").value.trim();
  if (!content || state.busy || state.topic?.runs.size || !state.workspace) return;
  Object.assign(state, { busy: true, following: true });
  draw();
  try {
    if (!state.session) {
      const session = await api("POST", "/sessions", { workspace_id: state.workspace });
      openSession(session.id);
    }
    const sent = live.command("chat_message", { session_id: state.session, content });
    $("composer").value = "";
    fit();
    showNotice("");
    await sent;
  } catch (error) {
    if (!$("composer").value) $("composer").value = content;
    fit();
    showNotice(text("notSent") + error.message);
  } finally {
    state.busy = false;
    draw();
  }
}

async function stop() {
  for (const run of state.topic?.runs.values() ?? []) {
    $("stop").disabled = true;
    await live.command("stop", { run_id: run.run_id }).catch(error => showNotice(error.message));
  }
  $("stop").disabled = false;
}

async function loadEarlier() {
  const before = state.topic?.messages.keys().next().value;
  if (!before) return;
  const topic = state.topic;
  const result = await live.command("history", { topic: topic.topic, before, limit: 50 });
  topic.prepend(result.messages ?? []);
  topic.hasMore = Boolean(result.has_more);
  draw();
}

// --- small things

function connectionChanged(name) {
  $("connection").dataset.state = name;
  $("connection").textContent = text(name);
  if (name === "ended") showSignIn();
}

function showNotice(sentence) {
  $("notice").textContent = sentence;
}

function fit() {
  const box = $("composer");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

function listen() {
  $("ask").addEventListener("submit", event => { event.preventDefault(); ask(); });
  $("stop").addEventListener("click", stop);
  $("new").addEventListener("click", () => { closeSession(); history.replaceState(null, "", "/"); $("composer").focus(); });
  $("earlier").addEventListener("click", () => loadEarlier().catch(error => showNotice(error.message)));
  $("workspace").addEventListener("change", () => { closeSession(); history.replaceState(null, "", "/"); openWorkspace($("workspace").value); });
  // Any movement upwards ends following at once; the end of the page begins it again.
  const leave = () => { state.following = false; };
  window.addEventListener("wheel", event => { if (event.deltaY < 0) leave(); }, { passive: true });
  window.addEventListener("touchmove", leave, { passive: true });
  window.addEventListener("keydown", event => { if (["PageUp", "Home"].includes(event.key)) leave(); });
  window.addEventListener("scroll", () => {
    const page = document.scrollingElement;
    if (page.scrollHeight - page.scrollTop - page.clientHeight < 4) state.following = true;
  }, { passive: true });
  const composer = $("composer");
  composer.addEventListener("input", fit);
  composer.addEventListener("keydown", event => {
    // An input method takes Enter for itself: `isComposing` in one order of events, keyCode 229 after compositionend in the other.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) { event.preventDefault(); ask(); }
  });
  document.addEventListener("keydown", event => { if (event.key === "Escape" && state.topic?.runs.size) stop(); });
  window.addEventListener("hashchange", () => {
    const wanted = sessionInAddress();
    if (wanted) openSession(wanted);
  });
  document.addEventListener("click", event => {
    // A mark leads to its source without replacing the session in the address.
    const target = event.target.closest?.('[data-testid="citation"][href]');
    if (!target) return;
    event.preventDefault();
    document.getElementById(target.getAttribute("href").slice(1))?.focus();
  });
  listenForFiles();
  listenForSigning();
}

function listenForFiles() {
  const zone = $("zone");
  $("choose").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => upload([...$("files").files]));
  document.addEventListener("dragover", event => { event.preventDefault(); zone.dataset.over = "true"; });
  document.addEventListener("dragleave", event => { if (!event.relatedTarget) zone.dataset.over = "false"; });
  document.addEventListener("drop", event => {
    event.preventDefault();
    zone.dataset.over = "false";
    if (state.workspace) upload([...event.dataTransfer.files]);
  });
}

function listenForSigning() {
  $("sign-in-form").addEventListener("submit", async event => {
    event.preventDefault();
    $("sign-in-error").textContent = "";
    try {
      const { user } = await api("POST", "/auth/login", { name: $("sign-in-name").value, password: $("sign-in-password").value });
      $("sign-in-password").value = "";
      await enter(user);
    } catch (error) {
      $("sign-in-error").textContent = error.message;
    }
  });
  $("sign-out").addEventListener("click", async () => {
    live.close();
    await api("POST", "/auth/logout").catch(() => undefined);
    location.assign("/");
  });
}

start();
