/**
 * Money and tokens per day, drawn by uPlot on a canvas, which a screen reader can't see: the table beside it has the same
 * numbers. Its colours are the tokens of the theme that is on.
 */
import { useEffect, useRef } from "react"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import type { Series } from "./days.ts"
import { money, tokens } from "./words.ts"

const height = 260
const { bars } = uPlot.paths

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const font = "12px system-ui, sans-serif"

/** 1 200 000 as `1.2M`, so that an axis stays narrow. */
const compact = new Intl.NumberFormat("en", { notation: "compact" })

const optionsOf = (width: number): uPlot.Options => {
  const axis = {
    stroke: () => token("--faint"),
    font,
    grid: { stroke: () => token("--line"), width: 1 },
    ticks: { stroke: () => token("--line"), width: 1 }
  }
  return {
    width,
    height,
    // A day is one point: at midnight of UTC, whatever the zone it is of.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    scales: {
      usd: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
      tokens: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] }
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => dayInWords(at)), space: 70 },
      { ...axis, scale: "usd", size: 70, values: (_, splits) => splits.map(money) },
      {
        ...axis,
        scale: "tokens",
        side: 1,
        size: 60,
        grid: { show: false },
        values: (_, splits) => splits.map((at) => compact.format(at))
      }
    ],
    series: [
      { label: "Day", value: (_, at) => at === null ? "–" : dayInWords(at) },
      {
        label: "Money",
        scale: "usd",
        stroke: () => token("--main"),
        fill: () => token("--busy-ground"),
        width: 1,
        ...(bars === undefined ? {} : { paths: bars({ size: [0.6, 40] }) }),
        points: { show: false },
        value: (_, usd) => usd === null ? "–" : money(usd)
      },
      {
        label: "Tokens",
        scale: "tokens",
        stroke: () => token("--warn"),
        width: 2,
        dash: [6, 4],
        points: { show: false },
        value: (_, count) => count === null ? "–" : tokens(count)
      }
    ]
  }
}

const days = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" })
const dayInWords = (seconds: number): string => days.format(new Date(seconds * 1_000))

export const Chart = ({ label, series }: { readonly series: Series; readonly label: string }) => {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const chart = new uPlot(optionsOf(element.clientWidth), [[], [], []], element)
    plot.current = chart
    const resize = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }))
    resize.observe(element)
    const redraw = () => chart.redraw()
    const dark = matchMedia("(prefers-color-scheme: dark)")
    dark.addEventListener("change", redraw)
    const theme = new MutationObserver(redraw)
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] })
    return () => {
      resize.disconnect()
      theme.disconnect()
      dark.removeEventListener("change", redraw)
      chart.destroy()
      plot.current = null
    }
  }, [])
  useEffect(() => {
    plot.current?.setData([
      series.days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1_000),
      [...series.usd],
      [...series.tokens]
    ])
  }, [series])
  return <div ref={place} className="costs-chart" role="img" aria-label={label} />
}
