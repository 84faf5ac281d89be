// An ONNX graph, computed for one image. A tensor is {shape, data}: data are floats, or whole numbers in a list of axes.
// page.py refuses what has other operations than those here: its OPERATIONS are the same names.
"use strict"

const count = shape => shape.reduce((product, side) => product * side, 1)
const steps = shape => shape.map((_, axis) => count(shape.slice(axis + 1)))
const sameShape = (one, other) => one.length === other.length && one.every((side, axis) => side === other[axis])

// The elements of data at start + the sum of index × stride, for each index in shape: transposed, cut, repeated, tiled.
function strided(data, shape, strides, start = 0) {
  const result = new Float32Array(count(shape)), index = shape.map(() => 0), last = shape.length - 1
  for (let i = 0, place = start; i < result.length;) {
    for (let k = 0; k < shape[last]; k++) result[i++] = data[place + k * strides[last]]
    for (let axis = last - 1; axis >= 0; axis--) {
      place += strides[axis]
      if (++index[axis] < shape[axis]) break
      place -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
  return result
}

// (rows, inner) × (inner, columns), both row by row.
function multiplied(left, right, rows, inner, columns) {
  const result = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const out = result.subarray(row * columns, (row + 1) * columns)
    let k = 0
    for (; k + 4 <= inner; k += 4) {  // four at a time: a third of the time
      const at = row * inner + k, a = left[at], b = left[at + 1], c = left[at + 2], d = left[at + 3]
      const first = k * columns, second = first + columns, third = second + columns, fourth = third + columns
      for (let i = 0; i < columns; i++) {
        out[i] += a * right[first + i] + b * right[second + i] + c * right[third + i] + d * right[fourth + i]
      }
    }
    for (; k < inner; k++) {
      const factor = left[row * inner + k]
      for (let i = 0; i < columns; i++) out[i] += factor * right[k * columns + i]
    }
  }
  return result
}

const each = change => (_, { shape, data }) => ({ shape, data: data.map(value => change(value)) })

// NumPy's rule: axes are matched from the last, and one of length 1 is repeated.
function together(combine) {
  return (_, ...tensors) => {
    const axes = Math.max(...tensors.map(({ shape }) => shape.length))
    const full = tensors.map(({ shape }) => [...Array(axes - shape.length).fill(1), ...shape])
    const shape = full[0].map((_, axis) => Math.max(...full.map(sides => sides[axis])))
    const [a, b, c] = tensors.map(({ data }, number) => {
      if (sameShape(full[number], shape)) return data
      const strides = steps(full[number]).map((step, axis) => full[number][axis] === 1 ? 0 : step)
      return strided(data, shape, strides)
    })
    const result = new Float32Array(count(shape))
    for (let i = 0; i < result.length; i++) result[i] = combine(a[i], b[i], c && c[i])
    return { shape, data: result }
  }
}

function reduced(fold) {
  return ({ keepdims = 1 }, { shape, data }, axes) => {
    const gone = axes ? axes.data.map(axis => axis < 0 ? axis + shape.length : axis) : shape.map((_, axis) => axis)
    const kept = shape.map((_, axis) => axis).filter(axis => !gone.includes(axis))
    const order = [...kept, ...gone], strides = steps(shape)
    const groups = strided(data, order.map(axis => shape[axis]), order.map(axis => strides[axis]))
    const size = count(gone.map(axis => shape[axis]))
    const result = Float32Array.from({ length: groups.length / size }, (_, group) =>
      fold(groups.subarray(group * size, (group + 1) * size)))
    const left = keepdims ? shape.map((side, axis) => gone.includes(axis) ? 1 : side) : kept.map(axis => shape[axis])
    return { shape: left, data: result }
  }
}

const sum = values => values.reduce((total, value) => total + value, 0)
const largest = values => values.reduce((most, value) => Math.max(most, value), -Infinity)

function logSumExp(values) {
  const most = largest(values)
  return most + Math.log(sum(values.map(value => Math.exp(value - most))))
}

// All windows of (1, C, H, W): a row for each element of a window where tall, else a row for each place of one.
function windows({ shape, data }, size, { strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1] }, tall, around) {
  const [, channels, height, width] = shape
  const high = height + pads[0] + pads[2], wide = width + pads[1] + pads[3]
  const padded = new Float32Array(channels * high * wide).fill(around)
  for (let row = 0; row < channels * height; row++) {
    const top = Math.floor(row / height) * high + row % height + pads[0]
    padded.set(data.subarray(row * width, (row + 1) * width), top * wide + pads[1])
  }
  const sides = [high, wide].map((side, axis) =>
    Math.floor((side - dilations[axis] * (size[axis] - 1) - 1) / strides[axis]) + 1)
  const inside = [dilations[0] * wide, dilations[1]], between = [strides[0] * wide, strides[1]]
  const order = tall ? [[...size, ...sides], [...inside, ...between]] : [[...sides, ...size], [...between, ...inside]]
  return { sides, data: strided(padded, [channels, ...order[0]], [high * wide, ...order[1]]) }
}

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
function erf(value) {
  const t = 1 / (1 + 0.3275911 * Math.abs(value))
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return Math.sign(value) * (1 - series * Math.exp(-value * value))
}

const transposed = ({ shape: [rows, columns], data }) =>
  ({ shape: [columns, rows], data: strided(data, [columns, rows], [1, columns]) })

const operations = {
  Add: together((a, b) => a + b),
  Sub: together((a, b) => a - b),
  Mul: together((a, b) => a * b),
  Div: together((a, b) => a / b),
  Greater: together((a, b) => a > b),
  Where: together((condition, a, b) => condition ? a : b),
  Relu: each(value => Math.max(value, 0)),
  Sigmoid: each(value => 1 / (1 + Math.exp(-value))),
  Tanh: each(Math.tanh),
  Softplus: each(value => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))),
  Erf: each(erf),
  Log: each(Math.log),
  LeakyRelu: ({ alpha = 0.01 }, input) => each(value => value < 0 ? alpha * value : value)(null, input),
  Elu: ({ alpha = 1 }, input) => each(value => value < 0 ? alpha * Math.expm1(value) : value)(null, input),
  Selu: ({ alpha = 1.6732632, gamma = 1.050701 }, input) =>
    each(value => gamma * (value < 0 ? alpha * Math.expm1(value) : value))(null, input),
  ReduceMax: reduced(largest),
  ReduceMean: reduced(values => sum(values) / values.length),
  ReduceLogSumExp: reduced(logSumExp),
  Softmax({ axis = -1 }, input) {
    const most = reduced(logSumExp)({}, input, { data: [axis] })
    return each(Math.exp)(null, operations.Sub(null, input, most))
  },
  Reshape(_, { shape, data }, wanted) {
    const sides = wanted.data.map((side, axis) => side || shape[axis])
    return { shape: sides.map(side => side < 0 ? -data.length / count(sides) : side), data }
  },
  Unsqueeze(_, { shape, data }, axes) {
    const sides = [...shape]
    for (const axis of [...axes.data].sort((a, b) => a - b)) sides.splice(axis, 0, 1)
    return { shape: sides, data }
  },
  Transpose({ perm }, { shape, data }) {
    const strides = steps(shape), sides = perm.map(axis => shape[axis])
    return { shape: sides, data: strided(data, sides, perm.map(axis => strides[axis])) }
  },
  Slice(_, { shape, data }, starts, ends, axes) {
    const strides = steps(shape), sides = [...shape]
    let start = 0
    axes.data.forEach((axis, number) => {
      const [from, to] = [starts, ends].map(({ data }) =>
        Math.min(data[number] < 0 ? data[number] + shape[axis] : data[number], shape[axis]))
      sides[axis] = to - from
      start += from * strides[axis]
    })
    return { shape: sides, data: strided(data, sides, strides, start) }
  },
  Concat({ axis }, ...tensors) {
    const sides = [...tensors[0].shape]
    sides[axis] = sum(tensors.map(({ shape }) => shape[axis]))
    const outer = count(sides.slice(0, axis)), result = new Float32Array(count(sides))
    for (let row = 0, place = 0; row < outer; row++) {
      for (const { data } of tensors) {
        const size = data.length / outer
        result.set(data.subarray(row * size, (row + 1) * size), place)
        place += size
      }
    }
    return { shape: sides, data: result }
  },
  MatMul(_, left, right) {
    const [rows, inner] = left.shape, columns = right.shape[1]
    return { shape: [rows, columns], data: multiplied(left.data, right.data, rows, inner, columns) }
  },
  Gemm({ transA = 0, transB = 0, alpha = 1, beta = 1 }, left, right, added) {
    const product = operations.MatMul(null, transA ? transposed(left) : left, transB ? transposed(right) : right)
    return added ? together((a, b) => alpha * a + beta * b)(null, product, added) : each(a => alpha * a)(null, product)
  },
  Conv(attributes, input, { shape: [channels, before, ...size], data }, bias) {
    const seen = windows(input, size, attributes, true, 0), places = count(seen.sides)
    const result = multiplied(data, seen.data, channels, before * count(size), places)
    if (bias) for (let i = 0; i < result.length; i++) result[i] += bias.data[Math.floor(i / places)]
    return { shape: [1, channels, ...seen.sides], data: result }
  },
  MaxPool(attributes, input) {
    const seen = windows(input, attributes.kernel_shape, attributes, false, -Infinity)
    const shape = [1, input.shape[1], ...seen.sides, count(attributes.kernel_shape)]
    return reduced(largest)({ keepdims: 0 }, { shape, data: seen.data }, { data: [4] })
  },
}

// The network's answer to an image of its shape, as floats.
function computed({ graph, tensors }, image) {
  const known = { ...tensors, [graph.input]: image }
  for (const { operation, inputs, outputs, attributes } of graph.nodes) {
    known[outputs[0]] = operations[operation](attributes, ...inputs.map(name => known[name]))
  }
  return known[graph.output].data
}
