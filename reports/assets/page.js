// Every page: buttons that copy, and the log's filter.
"use strict";

(() => {
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // No clipboard for this page (an old browser, or a frame): the oldest way still works.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      return copied;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const copied = await copy(button.dataset.copy);
    button.textContent = copied ? "Copied" : "Select and copy by hand";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  const log = document.getElementById("log-lines");
  if (!log) return;
  const filter = document.getElementById("log-filter");
  const inWindow = document.getElementById("log-window");
  const count = document.getElementById("log-count");
  const lines = log.textContent.split("\n").filter((line) => line !== "");
  let window_ns = [0, Infinity];

  const show = () => {
    const wanted = filter.value.toLowerCase();
    const shown = lines.filter((line) => {
      const time_ns = parseFloat(line) * 1e9;
      return (!inWindow.checked || (time_ns >= window_ns[0] && time_ns <= window_ns[1]))
        && line.toLowerCase().includes(wanted);
    });
    log.textContent = shown.join("\n");
    count.textContent = `${shown.length} of ${lines.length} lines`;
  };

  filter.addEventListener("input", show);
  inWindow.addEventListener("change", show);
  document.addEventListener("squall:window", (event) => {
    window_ns = event.detail;
    if (inWindow.checked) show();
  });
  count.textContent = `${lines.length} lines`;
})();
