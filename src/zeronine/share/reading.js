// What Reader says of a picture: as zeronine/reader.py does, with the model that stands in the page.
"use strict"

const model = JSON.parse(document.getElementById("model").textContent)
const network = opened(model.graph, document.getElementById("weights").textContent)

// A graph whose tensors have their numbers, from all floats in base64.
function opened(graph, weights) {
  const letters = atob(weights), bytes = new Uint8Array(letters.length).map((_, i) => letters.charCodeAt(i))
  const floats = new Float32Array(bytes.buffer), tensors = {}
  for (const [name, { shape, start, data }] of Object.entries(graph.tensors)) {
    tensors[name] = { shape, data: data || floats.subarray(start, start + count(shape)) }
  }
  return { graph, tensors }
}

// Probabilities of the classes, of a digit image.
function probabilities(digit) {
  const side = model.shape[0], seen = resized(digit, side)
  const image = model.order === "column" ? turned(seen).data : seen.data
  const outputs = computed(network, { shape: [1, ...model.graph.shape], data: image })
  const already = outputs.every(value => value >= 0) && Math.abs(sum(outputs) - 1) < 1e-3
  if (model.probabilities || already) return outputs
  return operations.Softmax({}, { shape: [1, outputs.length], data: outputs }).data
}

// {digit, confidence, row, reason, seen} of a picture; seen is the digit image that is believed, null if it is blank.
function reading(picture) {
  let row = new Float32Array(model.classes.length), confidence = -1, seen = null
  for (const { image, whole } of digitViews(picture)) {
    const apart = probabilities(image)
    const answers = whole ? apart : apart.map((value, i) => model.whole * row[i] + (1 - model.whole) * value)
    const most = largest(answers)
    if (most > confidence) [row, confidence, seen] = [answers, most, image]
    if (confidence >= model.clear) break
  }
  if (!seen) confidence = 0
  const reason = !seen ? "blank" : sum(row) < model.digit ? "not a digit" : confidence < model.unsure ? "unsure" : ""
  return { digit: reason ? null : model.classes[row.indexOf(confidence)], confidence, row, reason, seen }
}
