// The page: drawing, and showing what is read. A stroke is a list of points [x, y] in 0..1 of the paper.
"use strict"

const PICTURE = 128, PEN = 0.07, MARGIN = 4 / PICTURE  // nothing is drawn at the edge: picture.js relies on it
const element = name => document.getElementById(name)
const context = canvas => canvas.getContext("2d", { willReadFrequently: true })
const paper = element("paper"), picture = document.createElement("canvas")
picture.width = picture.height = PICTURE
const bars = model.classes.map(name => {
  const bar = element("bars").appendChild(document.createElement("li"))
  bar.append(document.createElement("i"), name)
  return bar
})
let strokes = [], pen = null, due = false, spent = 0

function draw(canvas, ink, ground) {
  const on = context(canvas)
  on.setTransform(canvas.width, 0, 0, canvas.width, 0, 0)
  on.fillStyle = ground
  on.fillRect(0, 0, 1, 1)
  on.save()
  on.beginPath()
  on.rect(MARGIN, MARGIN, 1 - 2 * MARGIN, 1 - 2 * MARGIN)
  on.clip()
  Object.assign(on, { strokeStyle: ink, lineWidth: PEN, lineCap: "round", lineJoin: "round" })
  for (const stroke of strokes) drawStroke(on, stroke)
  on.restore()
}

// Curves through the middles between points, so that a quick hand's corners are round.
function drawStroke(on, stroke) {
  on.beginPath()
  on.moveTo(...stroke[0])
  for (let i = 1; i < stroke.length - 1; i++) {
    const [x, y] = stroke[i], [nextX, nextY] = stroke[i + 1]
    on.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2)
  }
  on.lineTo(...stroke[stroke.length - 1])
  on.stroke()
}

// The pixels of a square canvas that shows greys, as a picture for reading.
function pixels(canvas) {
  const { data } = context(canvas).getImageData(0, 0, canvas.width, canvas.height)
  return like(canvas, i => data[4 * i] / 255)
}

function show() {
  const { color, backgroundColor } = getComputedStyle(paper)
  draw(paper, color, backgroundColor)
  element("undo").disabled = element("clear").disabled = !strokes.length
  element("hint").hidden = strokes.length > 0
  if (due) return
  due = true
  setTimeout(read, spent)  // as long again as a reading takes, so that a slow phone has time for the pen
}

function read() {
  due = false
  const start = performance.now()
  draw(picture, "#fff", "#000")
  const answer = reading(pixels(picture))
  spent = performance.now() - start
  tell(answer)
}

function tell({ digit, confidence, row, reason, seen }) {
  const sure = confidence < 0.99 ? `${Math.floor(100 * confidence)} % sure` : "over 99 % sure"
  const words = reason === "blank" ? "" : reason || sure
  element("answer").textContent = words && (reason ? "?" : digit)
  element("words").textContent = words
  element("spent").textContent = words && `in ${Math.round(spent)} ms`
  if (pen === null) element("spoken").textContent = reason ? words : `${digit}, ${words}`
  bars.forEach((bar, i) => {
    bar.firstChild.style.height = `${100 * row[i]}%`
    bar.ariaLabel = `${model.classes[i]}: ${Math.round(100 * row[i])} %`
    bar.className = digit === model.classes[i] ? "most" : ""
  })
  const { width, height, data } = seen || { width: SIDE, height: SIDE, data: new Float32Array(SIDE * SIDE) }
  const image = context(element("seen")).createImageData(width, height)
  data.forEach((value, i) => image.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i))
  context(element("seen")).putImageData(image, 0, 0)
}

function change(next) {
  if (paper.hasPointerCapture(pen)) paper.releasePointerCapture(pen)
  pen = null  // a stroke that is being drawn ends here
  strokes = next
  show()
}

const undo = () => change(strokes.slice(0, -1)), clear = () => change([])

function add(event) {
  const { left, top, width, height } = paper.getBoundingClientRect()
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : []
  for (const { clientX, clientY } of events.length ? events : [event]) {
    strokes[strokes.length - 1].push([(clientX - left) / width, (clientY - top) / height])
  }
  show()
}

paper.onpointerdown = event => {
  if (pen !== null || event.button) return  // one finger draws; a second one or a palm does nothing
  pen = event.pointerId
  paper.setPointerCapture(pen)
  strokes.push([])
  add(event)
}
paper.onpointermove = event => { if (event.pointerId === pen) add(event) }
paper.onpointerup = paper.onpointercancel = event => {
  if (event.pointerId !== pen) return
  pen = null
  show()
}
element("undo").onclick = undo
element("clear").onclick = clear
document.onkeydown = event => {
  if (event.key === "Backspace" || event.key === "z" && (event.ctrlKey || event.metaKey)) undo()
  else if (event.key === "Delete" || event.key === "Escape") clear()
}
function resize() {
  paper.width = paper.height = Math.round(paper.clientWidth * devicePixelRatio)
  show()
}
new ResizeObserver(resize).observe(paper)
function followPixels() {  // another screen has more of them or fewer, though the paper is as large as before
  matchMedia(`(resolution: ${devicePixelRatio}dppx)`).onchange = () => {
    resize()
    followPixels()
  }
}
followPixels()
matchMedia("(prefers-color-scheme: dark)").onchange = show
