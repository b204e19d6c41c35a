// Puts what is on the page, with boxes, into the title, where `--dump-dom` shows it.
const round = v => Math.round(v * 10) / 10;
const context = document.createElement('canvas').getContext('2d');
/** Top and bottom of the band of tall and hanging letters, from the top of a line's content box. */
function band(style) {
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const all = context.measureText('x'), tall = context.measureText('bdhklEH'), low = context.measureText('gpqy');
  return [all.fontBoundingBoxAscent - tall.actualBoundingBoxAscent, all.fontBoundingBoxAscent + low.actualBoundingBoxDescent];
}
/** Lines of one text node: letters that follow one another at one height. */
function linesOf(node) {
  const style = getComputedStyle(node.parentElement), [above, below] = band(style), text = node.textContent;
  const range = document.createRange(), lines = [];
  for (let i = 0; i < text.length; i++) {
    if (/\s/.test(text[i])) continue;
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    const box = range.getBoundingClientRect();
    if (!box.width) continue;
    const last = lines[lines.length - 1], top = box.top + above, bottom = box.top + below;
    if (last && Math.abs(last.box[1] - top) < 3 && box.left - last.box[2] < box.height * 0.8) {
      last.box[2] = box.right;
      last.text += text[i];
    } else lines.push({ class: 'text_line', box: [box.left, top, box.right, bottom], text: text[i] });
  }
  return lines;
}
/** Bold words and links end a text node, not a line. */
function joined(lines) {
  for (let i = 0; i < lines.length; i++)
    for (let j = i + 1; j < lines.length; j++) {
      const a = lines[i].box, b = lines[j].box, tall = a[3] - a[1], gap = b[0] - a[2];
      if (Math.abs(a[3] - b[3]) > tall * 0.25 || gap > tall * 0.8 || gap < -2) continue;
      lines[i].box = [a[0], Math.min(a[1], b[1]), b[2], Math.max(a[3], b[3])];
      lines[i].text += lines[j].text;
      lines.splice(j--, 1);
    }
  return lines;
}
function truth() {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), lines = [];
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (walk.currentNode.textContent.trim() && !parent.closest('script,style,[data-class],[data-mute]')) lines.push(...linesOf(walk.currentNode));
  }
  const things = [...document.querySelectorAll('[data-class],input[type=checkbox]')].map(element => {
    const box = element.getBoundingClientRect();
    return { class: element.dataset.class || 'checkbox', box: [box.left, box.top, box.right, box.bottom], text: element.alt || '' };
  });
  return [...joined(lines), ...things].map(object => ({ ...object, box: object.box.map(round) }));
}
addEventListener('load', () => document.fonts.ready.then(() => { document.title = JSON.stringify(truth()); }));
