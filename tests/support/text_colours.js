// For each visible element with text of its own: the text, its colour, and the colour behind it.
const parse = (value) => {
  const [red, green, blue, alpha = 1] = value.match(/[\d.]+/g).map(Number);
  return { colour: [red, green, blue], alpha };
};
const over = (top, alpha, bottom) => top.map((part, i) => part * alpha + bottom[i] * (1 - alpha));
const behind = (element) => {
  if (!element) return [255, 255, 255];
  const { colour, alpha } = parse(getComputedStyle(element).backgroundColor);
  return alpha === 1 ? colour : over(colour, alpha, behind(element.parentElement));
};
return [...document.querySelectorAll("body *")].flatMap((element) => {
  const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join(" ").trim();
  const said = text || (element.matches("input, select") ? element.value : "");
  if (!said || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return [];
  const background = behind(element);
  const { colour, alpha } = parse(getComputedStyle(element).color);
  return [{ text: said.slice(0, 60), colour: over(colour, alpha, background), behind: background }];
});
