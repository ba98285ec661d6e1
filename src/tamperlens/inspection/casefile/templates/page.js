"use strict";
document.documentElement.classList.add("scripted");

for (const viewer of document.querySelectorAll(".viewer")) {
  const slider = viewer.querySelector("input[type=range]");
  const show = () => {
    const swiping = viewer.dataset.view === "swipe";
    for (const layer of viewer.querySelectorAll(".layer")) {
      layer.style.opacity = swiping ? 1 : slider.value / 100;
      layer.style.clipPath = swiping ? `inset(0 0 0 ${slider.value}%)` : "none";
    }
  };
  viewer.addEventListener("change", event => {
    if (event.target.type === "radio") viewer.dataset[event.target.name.startsWith("view") ? "view" : "over"] = event.target.value;
    if (event.target.value === "swipe") slider.value = 50;
    show();
  });
  slider.addEventListener("input", show);
  show();
}

const video = document.querySelector("video");
if (video) {
  const start = Number(video.parentElement.dataset.start);
  const plot = document.querySelector(".plot");
  const [first, last, left, right] = ["first", "last", "left", "right"].map(key => Number(plot.dataset[key]));
  const cursor = plot.querySelector(".cursor");
  const seek = document.querySelector(".seek");
  const place = seek.querySelector("input");
  const jumps = document.querySelectorAll(".jump");
  const clock = seconds => {
    const tenths = Math.round(10 * seconds), minutes = Math.floor(tenths / 600);
    const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };
  const go = seconds => { video.currentTime = Math.max(0, seconds - start); };
  const follow = () => {
    const seconds = video.currentTime + start;
    const along = (Math.min(last, Math.max(first, seconds)) - first) / (last - first || 1);
    cursor.style.left = `${100 * (left + along * (right - left))}%`;
    place.value = seconds;
    seek.querySelector("output").textContent = clock(seconds);
    place.setAttribute("aria-valuetext", clock(seconds));
  };
  video.addEventListener("loadedmetadata", () => {
    for (const part of [cursor, seek, ...jumps]) part.hidden = false;
    plot.classList.add("clickable");
    follow();
  });
  video.addEventListener("timeupdate", follow);
  video.addEventListener("seeked", follow);
  video.addEventListener("error", () => {
    video.parentElement.hidden = true;
    document.getElementById("no-player").hidden = false;
  });
  plot.addEventListener("click", event => {
    const box = plot.getBoundingClientRect();
    const along = ((event.clientX - box.left) / box.width - left) / (right - left);
    go(first + Math.min(1, Math.max(0, along)) * (last - first));
  });
  place.addEventListener("input", () => go(Number(place.value)));
  for (const jump of jumps) jump.addEventListener("click", () => { go(Number(jump.dataset.seconds)); video.play(); video.focus(); });
}
