// Only the page knows which notebooks have changes that are not saved: it writes their names into a field of the form.
setInterval(() => {
  const field = element.closest(".labkit-report")?.querySelector(".labkit-unsaved input");
  const tabs = document.querySelectorAll(".lm-DockPanel-tabBar .lm-TabBar-tab.jp-mod-dirty .lm-TabBar-tabLabel");
  const names = [...tabs].map(one => one.textContent).join("/");
  if (field && field.value !== names) {
    field.value = names;
    field.dispatchEvent(new Event("input", {bubbles: true}));
    field.dispatchEvent(new Event("change", {bubbles: true}));
  }
}, 500);
