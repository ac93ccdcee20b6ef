// The page of the one-time link. The token is in the fragment, which no server and no proxy sees; the button posts it. A link
// preview that merely opens the page uses nothing up.
import { api } from "./api.js";
import { fillTexts, text } from "./texts.js";

fillTexts();
const fragment = location.hash.slice(1);
const token = new URLSearchParams(fragment).get("token") ?? decodeURIComponent(fragment);
history.replaceState(null, "", location.pathname);
const button = document.getElementById("link-button");
const problem = document.getElementById("link-error");
if (!token) {
  problem.textContent = text("linkMissing");
  button.disabled = true;
} else button.focus();

document.getElementById("link-form").addEventListener("submit", async event => {
  event.preventDefault();
  button.disabled = true;
  problem.textContent = "";
  try {
    await api("POST", "/auth/sign-in", { token });
    location.assign("/");
  } catch (error) {
    problem.textContent = error.message;
    button.disabled = false;
  }
});
