// What is drawn -> digit images, as zeronine/image.py makes them: functions have the same names there, and the reasons.
// Left out is what a drawing that keeps off the edges does not need: colours, shrinking, ruled lines, cut neighbours.
// A picture is {width, height, data}; data are floats in 0..1. NumPy computes with 32 bits where Math.fround stands.
"use strict"

const SIDE = 28, BOX = 20, THINNEST = 2, LEAST_CONTRAST = 0.06, EVEN = 0.03, UNSHADED = 0.8
const SMOOTH = 0.98, WIDEST_STROKE = 0.25

function* digitViews(grey) {
  const ink = inkOf(grey)
  const whole = ink && digitOnly(ink, false)
  if (!whole) return
  const first = normalised(whole)
  yield { image: first, whole: true }
  const main = digitOnly(ink, true), second = main && normalised(main)
  if (second && second.data.some((value, i) => value !== first.data[i])) yield { image: second, whole: false }
}

function resized(digit, side) {
  if (side === SIDE) return digit
  if (side < SIDE) return resampled(digit, side, side, bicubic, 2)
  const before = Math.floor((side - SIDE) / 2)
  return framed(digit, side, side, before, before)
}

// Ink -----------------------------------------------------------------------------------------------------------------

function inkOf(grey) {
  const sign = isDarkBackground(grey) ? 1 : -1
  const raised = like(grey, i => sign * grey.data[i]), paper = paperOf(raised)
  const relief = like(grey, i => raised.data[i] - paper(i)), smooth = blurred(relief, [0.25, 0.5, 0.25])
  const flat = otsu(smooth.data), top = largest(smooth.data)
  const noise = deviation(smooth.data.filter(value => value <= flat))
  const middle = median(relief.data)
  const clean = relief.data.filter(value => value === middle).length > 0.5 * relief.data.length
  const least = clean ? LEAST_CONTRAST / 4 : LEAST_CONTRAST
  const threshold = Math.max(flat, least / 2, Math.min(4 * noise, 0.5 * top))
  const strokes = smooth.data.map(value => value > threshold)
  if (sum(strokes) < 3 || top < Math.max(least, 6 * noise)) return null
  const full = median(smooth.data.filter(value => value > threshold))
  const faint = Math.max(0.25 * full, Math.min(2 * noise, 0.5 * full))
  const even = evened(relief, smooth, strokes, full, Math.max(0.12 * full, 5 * noise, least / 2))
  return like(grey, i => clipped((even.data[i] - faint) / (0.85 * full - faint), 0, 1))
}

function isDarkBackground(grey) {
  const { width, height, data } = blurred(grey, [0.25, 0.5, 0.25])
  const half = (data.reduce((least, value) => Math.min(least, value)) + largest(data)) / 2
  const dark = data.map(value => value < half), share = places => mean(places.map(place => dark[place]))
  const all = mean(dark)
  if (all <= 0.25 || all >= 0.75) return all > 0.5
  const last = (height - 1) * width
  return all + share(edgeOf(grey)) + share([0, width - 1, last, last + width - 1]) > 1.5
}

// The places of a picture's outermost pixels, the corners twice.
function edgeOf({ width, height }) {
  const across = [...Array(width).keys()], down = [...Array(height).keys()], last = (height - 1) * width
  const ends = [...across, ...across.map(x => last + x)]
  return [...ends, ...down.map(y => y * width), ...down.map(y => (y + 1) * width - 1)]
}

// The level of the paper at each pixel: one, a quadratic surface, or what is left without what may be a stroke.
function paperOf(raised) {
  const small = shrunk(raised, 64), values = Float64Array.from(small.data)
  const lowest = values.reduce((least, value) => Math.min(least, value))
  const flat = otsu(small.data.map(value => value - lowest))
  const kept = values.map(value => value - lowest <= flat), paper = values.filter((_, i) => kept[i])
  const level = median(paper), unshaded = mean(edgeOf(small).map(place => kept[place])) >= UNSHADED
  if (unshaded && quantile(paper.map(value => Math.abs(value - level)), 0.9) < EVEN) return () => Math.fround(level)
  const { surface, share, spread } = surfaceOf(values, quadratic(small)), fine = quadratic(raised)
  if (share > SMOOTH && spread < EVEN) return i => Math.fround(dot(fine(i), surface))
  const opened = blurred(opening(small, WIDEST_STROKE), [1 / 3, 1 / 3, 1 / 3])
  const wide = resampled(opened, raised.width, raised.height, linear, 1)
  return i => wide.data[i]
}

// A quadratic surface, fitted again and again to the pixels that are not ink; what share lies on it, and how closely.
function surfaceOf(values, terms) {
  const middle = median(values), away = values.map(value => Math.abs(value - middle))
  const limit = quantile(away, 0.7) + 1e-6
  let kept = away.map(value => value < limit), surface, spread
  for (let round = 0; round < 6; round++) {
    surface = fitted(terms, values, kept)
    const residual = values.map((value, i) => Math.abs(value - dot(terms(i), surface)))
    spread = 1.4826 * median(residual.filter((_, i) => kept[i]))
    kept = residual.map(value => value < 3 * spread + 0.01)
    if (mean(kept) < 0.2) break
  }
  return { surface, share: mean(kept), spread }
}

function quadratic({ width, height }) {
  return i => {
    const row = 2 * Math.floor(i / width) / (height - 1) - 1, column = 2 * (i % width) / (width - 1) - 1
    return [1, row, column, row * row, row * column, column * column]
  }
}

// Least squares by the normal equations, which Gauss and Jordan solve.
function fitted(terms, values, kept) {
  const rows = Array.from({ length: 6 }, () => new Float64Array(7))
  values.forEach((value, i) => {
    if (!kept[i]) return
    const term = [...terms(i), value]
    rows.forEach((row, number) => row.forEach((_, column) => row[column] += term[number] * term[column]))
  })
  rows.forEach((pivot, number) => {
    for (const row of rows) {
      const factor = row === pivot ? 0 : row[number] / pivot[number]
      row.forEach((_, column) => row[column] -= factor * pivot[column])
    }
  })
  return rows.map((row, number) => row[6] / row[number])
}

function evened(relief, smooth, strokes, full, least) {
  const limit = Math.min(least, full), { labels } = components(smooth.data.map(value => value > limit), smooth)
  const joined = new Set(labels.filter((_, i) => strokes[i]))
  const reach = Math.max(3, roundHalfEven(0.06 * Math.max(relief.width, relief.height))) | 1
  const local = blurred(dilated(smooth, ellipse(reach)), gaussian(reach / 3)), low = Math.min(0.3 * full, full)
  return like(relief, i => relief.data[i] * (joined.has(labels[i]) ? full / clipped(local.data[i], low, full) : 1))
}

const deviation = paper => {
  const middle = median(paper)
  return 1.4826 * median(paper.map(value => Math.abs(value - middle)))
}

// Otsu's threshold of values around 0, the negative ones taken as 0, on 256 steps as OpenCV counts them.
function otsu(values) {
  const top = Math.max(largest(values), 1e-6), scale = Math.fround(255 / top), histogram = new Float64Array(256)
  for (const value of values) histogram[Math.floor(Math.fround(Math.max(value, 0) * scale))]++
  const all = histogram.reduce((total, times, step) => total + times * step, 0) / values.length
  let below = 0, moment = 0, best = 0, level = 0
  for (let step = 0; step < 256; step++) {
    const share = histogram[step] / values.length
    below += share
    moment += step * share
    if (Math.min(below, 1 - below) < 1.2e-7) continue
    const apart = below * (1 - below) * (moment / below - (all - moment) / (1 - below)) ** 2
    if (apart > best) [best, level] = [apart, step]
  }
  return level * top / 255
}

// The digit in the ink ------------------------------------------------------------------------------------------------

// The ink of the digit, cut to its box, without specks and frames; if alone, of its main piece only. null: none.
function digitOnly(ink, alone) {
  const { labels, boxes } = components(ink.data.map(value => value > 0.25), ink)
  if (boxes.length < 2) return null
  labels.forEach((label, i) => { if (label) boxes[label].mass += ink.data[i] })
  for (const box of boxes.slice(1)) {
    box.atEdge = box.left <= 0 || box.top <= 0 || box.right >= ink.width || box.bottom >= ink.height
    box.spans = alongEdge(box, ink) || isFrame(box, labels, ink)
    const off = Math.hypot(box.x / box.size / ink.width - 0.5, box.y / box.size / ink.height - 0.5)
    box.likely = box.mass * (1 - off) * (box.atEdge ? 0.6 : 1) * (box.spans ? 0.1 : 1)
  }
  const main = boxes.slice(1).reduce((best, box) => box.likely > best.likely ? box : best)
  const kept = chained(boxes, main, boxes.map(box =>
    box.mass > 0.01 * main.mass && (!box.atEdge || main.atEdge) && !box.spans))
  if (alone) {
    if (boxes.some((box, number) => kept[number] && box !== main && box.mass > 0.5 * main.mass)) return null
    boxes.forEach((box, number) => kept[number] = box === main)
  }
  const mine = dilated(like(ink, i => labels[i] && kept[labels[i]]), [[-1, 1], [-1, 1], [-1, 1]])
  return cut(like(ink, i => mine.data[i] ? ink.data[i] : 0), boxOf(mine))
}

// Whether a piece is a line along an edge of the picture.
function alongEdge({ left, top, right, bottom }, { width, height }) {
  const level = right - left >= 0.8 * width && bottom - top < 0.1 * height
  const upright = bottom - top >= 0.8 * height && right - left < 0.1 * width
  return level && (bottom < 0.2 * height || top > 0.8 * height) || upright && (right < 0.2 * width || left > 0.8 * width)
}

// Whether a piece is drawn around the digit: large, and nearly all of its ink along its own edges.
function isFrame({ left, top, right, bottom, label, size }, labels, { width, height }) {
  const wide = right - left, high = bottom - top
  if (wide <= 0.6 * width || high <= 0.6 * height) return false
  let outside = 0
  labels.forEach((other, i) => {
    if (other !== label) return
    const x = i % width, y = Math.floor(i / width)
    const across = Math.min(x - left, right - 1 - x) / wide, down = Math.min(y - top, bottom - 1 - y) / high
    outside += Math.min(across, down) < 0.06
  })
  return outside / size > 0.9
}

// Which pieces belong to the main one: near it, or near one that does; small ones only when very near.
function chained(boxes, main, eligible) {
  const size = Math.max(main.right - main.left, main.bottom - main.top), kept = boxes.map(box => box === main)
  const near = (one, other) => {
    const across = Math.max(other.left - one.right, one.left - other.right, 0)
    const down = Math.max(other.top - one.bottom, one.top - other.bottom, 0)
    return Math.hypot(across, down) < (other.mass > 0.05 * main.mass ? 0.25 : 0.1) * size
  }
  while (true) {
    const joined = boxes.filter((_, number) => kept[number])
    const more = boxes.map((box, number) => eligible[number] && !kept[number] && joined.some(one => near(one, box)))
    if (!more.includes(true)) return kept
    more.forEach((joins, number) => kept[number] ||= joins)
  }
}

// MNIST's rule on the ink of one digit: strokes wide enough to last, box 20, centre of mass in the middle.
function normalised(ink) {
  const fine = 4
  ink = fit(ink, fine * BOX)
  const missing = fine * THINNEST - strokeWidth(ink)
  if (missing >= 1) {
    const reach = roundHalfEven(missing) | 1, margin = Math.floor(reach / 2)
    ink = dilated(framed(ink, ink.width + 2 * margin, ink.height + 2 * margin, margin, margin), ellipse(reach))
  }
  const box = fit(ink, BOX), mass = Float64Array.from(box.data), total = Math.max(sum(mass), 1e-9)
  const row = sum(mass.map((value, i) => value * Math.floor(i / box.width))) / total
  const column = sum(mass.map((value, i) => value * (i % box.width))) / total
  const top = clipped(roundHalfEven(SIDE / 2 - row), 0, SIDE - box.height)
  const left = clipped(roundHalfEven(SIDE / 2 - column), 0, SIDE - box.width)
  return framed(box, SIDE, SIDE, left, top)
}

function fit(ink, longest) {
  const factor = longest / Math.max(ink.width, ink.height)
  const width = Math.max(1, roundHalfEven(ink.width * factor)), height = Math.max(1, roundHalfEven(ink.height * factor))
  const scaled = factor < 1 ? resampled(ink, width, height, square, 0.5) : resampled(ink, width, height, bicubic, 2)
  return like(scaled, i => clipped(scaled.data[i], 0, 1))
}

// Mean width of the strokes in pixels, from the mean distance of their pixels to the paper, by OpenCV's 3×3 mask.
function strokeWidth(ink) {
  const padded = framed(ink, ink.width + 2, ink.height + 2, 1, 1), { width, data } = padded
  const inside = data.map(value => value > 0.5), distance = inside.map(value => value ? 1e6 : 0)
  const straight = Math.round(0.955 * 65536) / 65536, slanted = Math.round(1.3693 * 65536) / 65536
  const near = (i, way) => Math.min(distance[i], distance[i - way] + straight, distance[i - way * width] + straight,
    distance[i - way * (width - 1)] + slanted, distance[i - way * (width + 1)] + slanted)
  for (let i = 0; i < data.length; i++) if (inside[i]) distance[i] = near(i, 1)
  for (let i = data.length - 1; i >= 0; i--) if (inside[i]) distance[i] = near(i, -1)
  const strokes = sum(inside)
  return strokes ? Math.max(4 * sum(distance) / strokes - 2, 1) : 1
}

// Numbers and pixels --------------------------------------------------------------------------------------------------

const like = ({ width, height }, value) =>
  ({ width, height, data: new Float32Array(width * height).map((_, i) => value(i)) })
const clipped = (value, least, most) => Math.min(Math.max(value, least), most)
const mean = values => sum(values) / values.length
const dot = (one, other) => one.reduce((total, value, i) => total + value * other[i], 0)
const median = values => quantile(values, 0.5)

function quantile(values, share) {
  const sorted = values.toSorted ? values.toSorted() : values.slice().sort(), place = share * (sorted.length - 1)
  const low = Math.floor(place), next = Math.min(low + 1, sorted.length - 1)
  return sorted[low] + (sorted[next] - sorted[low]) * (place - low)
}

// As Python and OpenCV round: a half goes to the even number.
function roundHalfEven(value) {
  const low = Math.floor(value)
  return value - low === 0.5 ? low + low % 2 : Math.round(value)
}

function framed({ width, height, data }, wide, high, left, top) {
  const result = new Float32Array(wide * high)
  for (let row = 0; row < height; row++) {
    result.set(data.subarray(row * width, (row + 1) * width), (top + row) * wide + left)
  }
  return { width: wide, height: high, data: result }
}

function cut({ width, data }, { left, top, right, bottom }) {
  const wide = right - left, high = bottom - top
  return { width: wide, height: high, data: strided(data, [high, wide], [width, 1], top * width + left) }
}

function boxOf({ width, data }) {
  const box = { left: Infinity, top: Infinity, right: 0, bottom: 0 }
  data.forEach((value, i) => { if (value) widen(box, i % width, Math.floor(i / width)) })
  return box
}

function widen(box, x, y) {
  box.left = Math.min(box.left, x)
  box.right = Math.max(box.right, x + 1)
  box.top = Math.min(box.top, y)
  box.bottom = Math.max(box.bottom, y + 1)
}

// Pieces that hang together, corners too: a label for each pixel, 0 for paper, and the box of each label.
function components(inside, { width, height }) {
  const labels = new Int32Array(inside.length), boxes = [{ mass: 0 }]
  for (let seed = 0; seed < inside.length; seed++) {
    if (!inside[seed] || labels[seed]) continue
    const label = boxes.length, waiting = [seed]
    labels[seed] = label
    const box = { label, left: Infinity, top: Infinity, right: 0, bottom: 0, x: 0, y: 0, size: 0, mass: 0 }
    boxes.push(box)
    while (waiting.length) {
      const i = waiting.pop(), x = i % width, y = Math.floor(i / width)
      widen(box, x, y)
      box.x += x
      box.y += y
      box.size++
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const next = row * width + column
          if (!inside[next] || labels[next]) continue
          labels[next] = label
          waiting.push(next)
        }
      }
    }
  }
  return { labels, boxes }
}

// Rows of an ellipse as OpenCV draws it: from where to where, around the middle.
function ellipse(size) {
  const radius = Math.floor(size / 2)
  return Array.from({ length: size }, (_, row) => {
    const reach = roundHalfEven(Math.sqrt(radius * radius - (row - radius) ** 2))
    return [-reach, reach]
  })
}

// What is left without what is lighter than around it and narrower than a disc; the outermost pixels go on outwards.
function opening(picture, share) {
  const reach = roundHalfEven(share * Math.max(picture.width, picture.height)) | 1, disc = ellipse(reach)
  const most = largest(picture.data), least = picture.data.reduce((one, other) => Math.min(one, other))
  const wide = repeated(picture, reach)
  const sunk = dilated(like(wide, i => most - wide.data[i]), disc)
  const risen = dilated(like(sunk, i => most - sunk.data[i] - least), disc)
  const place = i => (Math.floor(i / picture.width) + reach) * wide.width + i % picture.width + reach
  return like(picture, i => risen.data[place(i)] + least)
}

// A picture with its outermost pixels repeated so many times.
function repeated({ width, height, data }, times) {
  const size = { width: width + 2 * times, height: height + 2 * times }
  return like(size, i => {
    const x = clipped(i % size.width - times, 0, width - 1)
    return data[clipped(Math.floor(i / size.width) - times, 0, height - 1) * width + x]
  })
}

// The largest value under a shape, which is given by its rows.
function dilated({ width, height, data }, shape) {
  const result = data.slice(), radius = Math.floor(shape.length / 2)
  for (let i = 0; i < data.length; i++) {
    if (!(data[i] > 0)) continue
    const x = i % width, y = Math.floor(i / width)
    for (let row = Math.max(y - radius, 0); row <= Math.min(y + radius, height - 1); row++) {
      const [from, to] = shape[row - y + radius], last = row * width + Math.min(x + to, width - 1)
      for (let place = row * width + Math.max(x + from, 0); place <= last; place++) {
        if (result[place] < data[i]) result[place] = data[i]
      }
    }
  }
  return { width, height, data: result }
}

function gaussian(sigma) {
  const size = roundHalfEven(sigma * 8 + 1) | 1
  const bell = Array.from({ length: size }, (_, i) => Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma * sigma)))
  return bell.map(value => value / sum(bell))
}

// Blurred by a kernel across and down; the edges are mirrored, the outermost pixels not repeated.
function blurred(picture, kernel) {
  return turned(blurredAcross(turned(blurredAcross(picture, kernel)), kernel))
}

const turned = ({ width, height, data }) =>
  ({ width: height, height: width, data: strided(data, [width, height], [1, width]) })

function blurredAcross({ width, height, data }, kernel) {
  const margin = (kernel.length - 1) / 2, result = new Float32Array(data.length)
  const line = new Float32Array(width + 2 * margin)
  const mirrored = x => x < 0 ? -x : x >= width ? 2 * width - 2 - x : x
  for (let row = 0; row < height; row++) {
    for (let x = 0; x < line.length; x++) line[x] = data[row * width + mirrored(x - margin)]
    for (let x = 0; x < width; x++) {
      let total = 0
      for (let i = 0; i < kernel.length; i++) total += kernel[i] * line[x + i]
      result[row * width + x] = total
    }
  }
  return { width, height, data: result }
}

// Means of squares, as many as make the side that is wanted.
function shrunk({ width, height, data }, side) {
  const step = width / side
  const shape = [height / step, side, step, step], squares = strided(data, shape, [step * width, step, width, 1])
  const means = reduced(mean)({ keepdims: 0 }, { shape, data: squares }, { data: [2, 3] })
  return { width: side, height: shape[0], data: means.data }
}

const linear = x => Math.max(0, 1 - Math.abs(x))
const square = x => x > -0.5 && x <= 0.5 ? 1 : 0

function bicubic(x) {
  x = Math.abs(x)
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
}

// As Pillow resamples: across, then down; a filter reaches as far as a pixel of the result where that is wider.
function resampled(picture, width, height, filter, support) {
  return turned(resampledAcross(turned(resampledAcross(picture, width, filter, support)), height, filter, support))
}

function resampledAcross({ width, height, data }, wide, filter, support) {
  const scale = width / wide, stretch = Math.max(scale, 1), result = new Float32Array(wide * height)
  for (let x = 0; x < wide; x++) {
    const middle = (x + 0.5) * scale
    const from = Math.max(Math.trunc(middle - support * stretch + 0.5), 0)
    const to = Math.min(Math.trunc(middle + support * stretch + 0.5), width)
    const weights = Array.from({ length: to - from }, (_, i) => filter((from + i - middle + 0.5) / stretch))
    const all = sum(weights)
    for (let row = 0; row < height; row++) {
      let total = 0
      for (let i = from; i < to; i++) total += data[row * width + i] * weights[i - from] / all
      result[row * wide + x] = total
    }
  }
  return { width: wide, height, data: result }
}
