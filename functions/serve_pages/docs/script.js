/** What the page does beyond being read: one language for all examples, copying, and where the reader is. */

const LANGUAGE = "heliograph.docs.language";

function choose(language) {
  for (const tab of document.querySelectorAll(".tabs input")) {
    if (tab.value === language) tab.checked = true;
  }
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches(".tabs input")) return;
  const top = target.getBoundingClientRect().top;
  choose(target.value);
  // Examples above may have grown or shrunk: what the reader looks at stays where it was.
  const moved = target.getBoundingClientRect().top - top;
  if (moved) window.scrollBy({ top: moved, behavior: "instant" });
  try {
    localStorage.setItem(LANGUAGE, target.value);
  } catch {
    // Not kept, then.
  }
});

try {
  choose(localStorage.getItem(LANGUAGE));
} catch {
  // The first one will do.
}

for (const block of document.querySelectorAll(".code pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  const frame = document.createElement("div");
  frame.className = "frame";
  block.replaceWith(frame);
  frame.append(block, button);
}

const links = new Map(
  [...document.querySelectorAll("nav a[href^='#']")].map((link) => [link.getAttribute("href").slice(1), link]),
);
const contents = document.querySelector("nav details");
const wide = window.matchMedia("(min-width: 60rem)");
const fold = () => (contents.open = wide.matches);
wide.addEventListener("change", fold);
fold();
contents.addEventListener("click", ({ target }) => {
  if (target.closest("a") && !wide.matches) contents.open = false;
});

const seen = new Set();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? seen.add(target) : seen.delete(target);
    const [first] = [...seen].sort((a, b) => a.offsetTop - b.offsetTop);
    if (!first) return;
    for (const [id, link] of links) {
      if (id === first.id) {
        link.setAttribute("aria-current", "true");
        if (wide.matches) link.scrollIntoView({ block: "nearest" });
      } else {
        link.removeAttribute("aria-current");
      }
    }
  },
  { rootMargin: "-10% 0px -70% 0px" },
);
for (const section of document.querySelectorAll("main > section")) observer.observe(section);
