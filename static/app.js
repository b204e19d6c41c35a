// Small comforts on every page: copy buttons and a theme switch that does not reload. Everything works without it.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-label]") ?? button;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      label.textContent = button.dataset.done;
    } catch {
      // Without the permission (plain http): select it, so that one key press copies.
      getSelection().selectAllChildren(source);
    }
    setTimeout(() => { label.textContent = before; }, 1600);
  });
}

const theme = document.querySelector("form[data-theme-form]");
theme?.addEventListener("submit", (event) => {
  event.preventDefault();
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = dark ? "light" : "dark";
  root.dataset.theme = chosen;
  const data = new URLSearchParams(new FormData(theme));
  data.set("theme", chosen);
  fetch(theme.action, { method: "POST", body: data, redirect: "manual" });
});

// A select that says so sends its form when it changes; the button is for browsers without scripts.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.form.querySelector("[data-no-script]")?.setAttribute("hidden", "");
  select.addEventListener("change", () => select.form.requestSubmit());
}

// A form that is on its way is not sent twice by a second click.
for (const form of document.querySelectorAll("form[method=post]:not([data-theme-form], [data-live])")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button:not([type=button])");
    setTimeout(() => { if (button) button.disabled = true; });
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});

// On a phone the menu is a strip: the page's own entry is brought into it.
document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
