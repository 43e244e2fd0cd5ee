/** A card of what waits. When it waits no more it stays, with what it became. */
import { useState } from "react"
import type { Approval, Question } from "syris/records"
import { useAnswer } from "../../api/queries.ts"
import { ApprovalCard } from "./ApprovalCard.tsx"
import { QuestionCard } from "./QuestionCard.tsx"

export interface WaitingCardProps {
  readonly id: string
  /** As it waits; nothing where it does not, or not any more. */
  readonly approval: Approval | undefined
  readonly question: Question | undefined
  readonly onReplaced: (next: Approval) => void
}

export const WaitingCard = ({ approval, id, onReplaced, question }: WaitingCardProps) => {
  const [last, setLast] = useState(approval)
  const [lastQuestion, setLastQuestion] = useState(question)
  if (approval !== undefined && approval !== last) setLast(approval)
  if (question !== undefined && question !== lastQuestion) setLastQuestion(question)
  const isGone = approval === undefined && question === undefined && lastQuestion === undefined
  const now = useAnswer<Approval>(["approvals", "one", id], isGone ? `/approvals/${encodeURIComponent(id)}` : null)
  if (lastQuestion !== undefined) {
    return <QuestionCard question={question ?? lastQuestion} isOver={question === undefined} />
  }
  const record = approval ?? now.data ?? last
  return record === undefined ? null : <ApprovalCard approval={record} onReplaced={onReplaced} />
}
