/** The field where the operator writes. The text stays in it until the host has it. */
import { type KeyboardEvent, useId, useState } from "react"
import { useQueryClient } from "@tanstack/react-query"
import { post } from "../../api/client.ts"
import { sentenceOf } from "../../parts/Answer.tsx"
import { newMessageId, nothingWritten, sent, toSend, type Writing } from "./sending.ts"
import type { Said } from "./timeline.ts"
import { useKept } from "./useKept.ts"

interface Taken {
  readonly event_id: string
  readonly trace_id: string
}

export interface ComposerProps {
  readonly thread: string | undefined
  readonly onSaid: (said: Said) => void
}

export const Composer = ({ onSaid, thread }: ComposerProps) => {
  const id = useId()
  const client = useQueryClient()
  const [writing, setWriting] = useKept<Writing>(["chat-writing", thread ?? ""], nothingWritten)
  const [isSending, setSending] = useState(false)
  const [failure, setFailure] = useState<string | undefined>()

  const send = async (): Promise<void> => {
    const message = isSending ? undefined : toSend(writing, newMessageId)
    if (message === undefined) return
    setSending(true)
    setFailure(undefined)
    setWriting((now) => ({ ...now, tried: message }))
    try {
      const { event_id, trace_id } = await post<Taken>("/chat", {
        ...message,
        ...(thread === undefined ? {} : { thread_id: thread })
      })
      setWriting((now) => sent(now, message.text))
      onSaid({
        event_id,
        trace_id,
        thread_id: thread,
        text: message.text,
        at: new Date().toISOString(),
        connector_id: "chat"
      })
      void client.invalidateQueries({ queryKey: ["chat"] })
    } catch (error) {
      setFailure(sentenceOf(error))
    } finally {
      setSending(false)
    }
  }

  const onKeyDown = (event: KeyboardEvent): void => {
    // While a character is put together, Enter chooses it.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    void send()
  }
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      {failure !== undefined && (
        <p className="refusal" role="alert">
          Not sent: {failure} The text is still here. Send it again: it counts once, however often it was tried.
        </p>
      )}
      <div className="field">
        <label htmlFor={id}>Say something to SYRIS (Enter sends, Shift and Enter begin a new line)</label>
        <textarea
          id={id}
          rows={2}
          value={writing.text}
          readOnly={isSending}
          aria-busy={isSending}
          onChange={(event) => {
            const text = event.target.value
            setWriting((now) => ({ ...now, text }))
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <button
        type="submit"
        className="button button-main"
        disabled={isSending || writing.text.trim() === ""}
        aria-busy={isSending}
      >
        {failure === undefined ? "Send" : "Send again"}
      </button>
    </form>
  )
}
