// Charts over time, drawn by uPlot, in the colours of the theme; each with a table of the same numbers for those who do not see it.

const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];

/**
 * Draw lines over time into `element`, and give the function that takes them away.
 *
 * `times` are Date values or texts; `series` is a list of `{label, values, format}`, where `format` writes a value with its unit.
 */
export function timeChart(element, times, series, { height = 240 } = {}) {
  const seconds = times.map((each) => new Date(each) / 1000);
  let plot;
  const draw = () => {
    plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const axis = { stroke: style.getPropertyValue("--pico-muted-color"), grid: { stroke: style.getPropertyValue("--pico-muted-border-color"), width: 1 }, ticks: { show: false } };
    const write = series[0]?.format ?? String;
    plot = new uPlot({
      width: Math.max(200, element.clientWidth), height,
      cursor: { drag: { x: false, y: false } },
      legend: { live: true },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.05 : 1] } },
      axes: [axis, { ...axis, size: 70, values: (_plot, values) => values.map((each) => write(each)) }],
      series: [{ label: "Time", value: (_plot, value) => value === null ? "–" : new Date(value * 1000).toLocaleString() }, ...series.map((each, number) => ({
        label: each.label,
        stroke: style.getPropertyValue(COLOURS[number % COLOURS.length]),
        fill: series.length === 1 ? style.getPropertyValue("--series-fill") : undefined,
        width: 2,
        points: { show: seconds.length < 40 },
        value: (_plot, value) => value === null || value === undefined ? "–" : (each.format ?? String)(value),
      }))],
    }, [seconds, ...series.map((each) => each.values)], element);
  };
  draw();
  const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(200, element.clientWidth), height }));
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
