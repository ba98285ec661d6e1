"use strict";
const form = document.getElementById("login");
const field = document.getElementById("token");
const wrong = document.getElementById("wrong");
let jobs = "";

async function login(token) {
  wrong.textContent = "";
  try {
    const answer = await fetch("/api/login", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
    });
    if (answer.ok) location.replace(jobs ? `/#jobs=${jobs}` : "/");
    else wrong.textContent = wrong.dataset.wrong;
  } catch {
    wrong.textContent = wrong.dataset.silent;
  }
}

form.addEventListener("submit", event => { event.preventDefault(); login(field.value); });
// A link may bring the token along behind #, which browsers send to nobody; it leaves the address bar at once.
function take() {
  const given = new URLSearchParams(location.hash.slice(1)), brought = given.get("token");
  jobs = given.get("jobs") ?? jobs; // sent when the server was started
  if (!brought) return;
  history.replaceState(null, "", "/login");
  login(brought);
}
addEventListener("hashchange", take);
take();
