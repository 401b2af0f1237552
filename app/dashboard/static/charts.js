// Charts over time, drawn by uPlot, in the colours of the theme; each with a table of the same numbers for those who do not see it.

const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];

const FEW = 31; // bars: so many have room for lines and gaps between them, also in a narrow window

/**
 * Draw lines over time into `element`, and give the function that takes them away.
 *
 * `times` are Date values or texts; `series` is a list of `{label, values, format}`, where `format` writes a value with its unit.
 */
export function timeChart(element, times, series, { height = 240 } = {}) {
  const seconds = times.map((each) => new Date(each) / 1000);
  return kept(element, height, (colour) => ({
    legend: { live: true },
    axes: axesIn(colour, series[0]?.format ?? String),
    series: [{ label: "Time", value: (_plot, value) => value === null ? "–" : new Date(value * 1000).toLocaleString() }, ...series.map((each, number) => ({
      label: each.label,
      stroke: colour(COLOURS[number % COLOURS.length]),
      fill: series.length === 1 ? colour("--series-fill") : undefined,
      width: 2,
      points: { show: seconds.length < 40 },
      value: (_plot, value) => value === null || value === undefined ? "–" : (each.format ?? String)(value),
    }))],
  }), [seconds, ...series.map((each) => each.values)]);
}

/**
 * Draw bars over time, each a stack of layers, and give the function that takes them away.
 *
 * `times` are Date values; `layers` is a list of `{values, colour}`, the lowest first, `colour` the name of a property of the
 * style sheet. `format` writes a value with its unit; `onPoint` is told the place of the bar under the cursor, or null.
 */
export function stackedChart(element, times, layers, { height = 220, format, onPoint }) {
  const seconds = times.map((each) => each / 1000);
  const length = seconds.length > 1 ? seconds[1] - seconds[0] : 3600;
  const few = seconds.length <= FEW;
  const sums = [];
  for (const layer of layers) sums.push(layer.values.map((value, at) => value + (sums.at(-1)?.[at] ?? 0)));
  const placeOf = (plot) => {
    const place = plot.cursor.left < 0 ? -1 : seconds.findLastIndex((each) => each <= plot.posToVal(plot.cursor.left, "x"));
    return place < 0 ? null : place;
  };
  return kept(element, height, (colour) => ({
    legend: { show: false },
    cursor: { y: false, points: { show: false } },
    hooks: { setCursor: [(plot) => onPoint(placeOf(plot))] },
    scales: { x: { range: () => [seconds[0], seconds.at(-1) + length] } },
    axes: axesIn(colour, format),
    // Each bar begins at 0: the highest are drawn first, and lower ones over them, with a line between that is no colour's.
    series: [{}, ...layers.map((layer) => ({
      fill: colour(layer.colour),
      stroke: colour("--panel"),
      width: few ? 1 : 0,
      points: { show: false },
      paths: uPlot.paths.bars({ size: [few ? 0.86 : 1, 80], align: 1 }),
    })).reverse()],
  }), [seconds, ...sums.reverse()]);
}

/** When a point of a series begins, for a chart: a day is drawn as that day wherever the viewer is, an hour in the viewer's zone. */
export function momentOf(start, interval) {
  const moment = new Date(start);
  return interval === "hour" ? moment : new Date(moment.getUTCFullYear(), moment.getUTCMonth(), moment.getUTCDate());
}

/** Draw what `optionsIn(colour)` says, anew whenever the theme changes, and as wide as the element is. */
function kept(element, height, optionsIn, data) {
  const width = () => Math.max(200, element.clientWidth);
  let plot;
  const draw = () => {
    plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const { cursor, scales, ...options } = optionsIn((name) => style.getPropertyValue(name));
    plot = new uPlot({
      width: width(), height,
      cursor: { drag: { x: false, y: false }, ...cursor },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.05 : 1] }, ...scales },
      ...options,
    }, data, element);
  };
  draw();
  const observer = new ResizeObserver(() => plot.setSize({ width: width(), height }));
  observer.observe(element);
  addEventListener("theme", draw);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", draw);
  return () => {
    observer.disconnect();
    removeEventListener("theme", draw);
    scheme.removeEventListener("change", draw);
    plot.destroy();
  };
}

function axesIn(colour, write) {
  const axis = { stroke: colour("--pico-muted-color"), grid: { stroke: colour("--pico-muted-border-color"), width: 1 }, ticks: { show: false } };
  return [axis, { ...axis, size: 70, values: (_plot, values) => values.map((each) => write(each)) }];
}
