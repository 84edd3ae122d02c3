// Comfort only: enlarge a picture on click, open everything for print. The page reads the same without it.
(function () {
  var box = document.createElement("dialog");
  box.className = "light";
  box.innerHTML = '<figure><img alt=""><figcaption></figcaption></figure>';
  document.body.appendChild(box);
  box.addEventListener("click", function () { box.close(); });
  document.querySelectorAll(".shot > img").forEach(function (img) {
    img.tabIndex = 0;
    img.setAttribute("role", "button");
    function show() {
      box.querySelector("img").src = img.src;
      box.querySelector("img").alt = img.alt;
      box.querySelector("figcaption").textContent = img.alt;
      box.showModal();
    }
    img.addEventListener("click", show);
    img.addEventListener("keydown", function (event) { if (event.key === "Enter") show(); });
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (one) { one.open = true; });
  });
})();
