/**
 * What the screens ask, by TanStack Query. The first part of a key is what it is about; `live/refresh.ts` names the same
 * words when a row of the audit says that something has changed.
 */
import { type QueryKey, useInfiniteQuery, useQuery } from "@tanstack/react-query"
import type {
  Alarm,
  Approval,
  ListedTask,
  MessageEvent,
  Question,
  Schedule,
  State,
  SystemHealth,
  TaskWithSteps,
  ToolRecord,
  Trace,
  WatcherState
} from "syris/records"
import { get, type Query } from "./client.ts"

export interface PageOf<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor?: string
}

/**
 * One answer, kept under `key`. `null` as its path asks nothing. `every`, milliseconds: what is in no row of the audit, and is asked
 * for from time to time.
 */
export const useAnswer = <A>(
  key: QueryKey,
  path: string | null,
  query?: Query,
  every: (data: A | undefined) => number | false = () => false
) =>
  useQuery({
    queryKey: query === undefined ? key : [...key, query],
    queryFn: ({ signal }) => get<A>(path ?? "", query, signal),
    enabled: path !== null,
    refetchInterval: ({ state }) => every(state.data)
  })

/**
 * A list by its pages: `items` has those that were asked for, `more` asks for the next one where there is one. `data` is the
 * same for `Answered`: nothing before there is an answer.
 */
export const useList = <A>(key: QueryKey, path: string, query: Query = {}, limit = 50) => {
  const found = useInfiniteQuery({
    queryKey: [...key, query, limit],
    queryFn: ({ pageParam, signal }) =>
      get<PageOf<A>>(path, { ...query, limit, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor
  })
  const data = found.data?.pages.flatMap(({ items }) => items)
  return {
    data,
    items: data ?? [],
    isPending: found.isPending,
    error: found.error,
    isMore: found.hasNextPage,
    isAsking: found.isFetchingNextPage,
    more: (): void => void found.fetchNextPage()
  }
}

export const useHealth = () => useAnswer<SystemHealth>(["health"], "/health", undefined, () => 10_000)
export const useSystemState = () => useAnswer<State>(["state"], "/state", undefined, () => 30_000)
export const useApprovals = (query: Query) => useList<Approval>(["approvals"], "/approvals", query)
export const useAlarms = (query: Query) => useList<Alarm>(["alarms"], "/alarms", query)
export const useTasks = (query: Query) => useList<ListedTask>(["tasks"], "/tasks", query)
export const useTask = (id: string) => useAnswer<TaskWithSteps>(["tasks", id], `/tasks/${encodeURIComponent(id)}`)
export const useSchedules = (query: Query) => useList<Schedule>(["schedules"], "/schedules", query)
export const useWatchers = () => useList<WatcherState>(["watchers"], "/watchers")
export const useTools = () => useAnswer<PageOf<ToolRecord>>(["tools"], "/tools")
export const useQuestions = () => useAnswer<PageOf<Question>>(["questions"], "/questions")
/** It never changes. Without an id nothing is asked. */
export const useEvent = (id: string) =>
  useAnswer<MessageEvent>(["event", id], id === "" ? null : `/events/${encodeURIComponent(id)}`)
export const useTrace = (id: string) => useAnswer<Trace>(["trace", id], `/traces/${encodeURIComponent(id)}`)

/** What is in force; the parts that the page itself needs. */
export interface InForce {
  readonly timezone: string
  readonly locale: string
}
export const useSettings = () => useAnswer<InForce>(["settings"], "/settings")
