// Curves → an SVG, by ECharts on the server: no browser, no fonts of this machine.
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Curve } from './figures.ts';

const WIDTH = 720;
const HEIGHT = 360;

/** The plot of curves that share their axes: logarithmic along, linear up from zero, so that what grows is seen to grow. */
export function plotOf(curves: readonly Curve[]): string {
  use([LineChart, GridComponent, LegendComponent, SVGRenderer]);
  const [first] = curves;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      legend: { top: 8 },
      grid: { left: 70, right: 40, top: 50, bottom: 60 },
      xAxis: { type: 'log', name: first?.x, nameLocation: 'middle', nameGap: 35 },
      yAxis: { type: 'value', name: first?.y, min: 0 },
      series: curves.map(({ name, points }) => ({
        type: 'line',
        name,
        data: points.filter(([x]) => x > 0).map(([x, y]) => [x, y]),
      })),
    });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}
