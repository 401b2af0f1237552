// The form that makes a monitor. Whatever comes back is shown as text.

const form = document.getElementById("monitor");
const told = document.getElementById("told");
const facts = document.getElementById("facts");

const TITLES = { monitor_id: "Monitor", status: "Status", query: "Topic", frequency: "Frequency", expires_at: "Ends" };

/** Say something below the form; `kind` is good, critical or nothing. */
function tell(text, kind = "") {
  told.hidden = false;
  told.className = `notice wrap ${kind}`;
  told.setAttribute("role", kind === "critical" ? "alert" : "status");
  told.textContent = text;
}

function show(monitor) {
  const shown = Object.entries(TITLES).filter(([name]) => monitor[name]);
  facts.replaceChildren(...shown.flatMap(([name, title]) => {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = title;
    value.textContent = name === "expires_at" ? new Date(monitor[name]).toLocaleString() : monitor[name];
    return [term, value];
  }));
  facts.hidden = false;
}

async function create() {
  const { token, query, cadence, frequency } = Object.fromEntries(new FormData(form));
  const when = cadence ? { cadence } : { frequency: frequency.trim() };
  const response = await fetch("/v1/monitors", {
    method: "POST",
    headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
    body: JSON.stringify({ query, ...when }),
  });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) {
    tell(said.error?.message ?? `The gateway answered ${response.status}.`, "critical");
    return;
  }
  tell(said.message ?? "The monitor is made.", "good");
  show(said);
}

form?.elements.cadence.addEventListener("change", ({ target }) => {
  const isOther = target.value === "";
  document.getElementById("other").hidden = !isOther;
  form.elements.frequency.disabled = !isOther;
});

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  facts.hidden = true;
  tell("Asking …");
  try {
    await create();
  } catch {
    tell("The gateway cannot be reached. Is the token written as it was given to you?", "critical");
  } finally {
    button.disabled = false;
    told.focus();
  }
});
