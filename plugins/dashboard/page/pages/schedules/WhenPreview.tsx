/** What the words about time mean: as the host understood them, with the next slots. */
import { visible } from "syris/visible"
import { Refusal } from "../../parts/Answer.tsx"
import { SlotList } from "./SlotList.tsx"
import { useSettled, useWhenPreview } from "./slots.ts"

export const WhenPreview = ({ timezone, when }: { readonly when: string; readonly timezone: string }) => {
  const words = useSettled(when.trim())
  const zone = useSettled(timezone.trim())
  const preview = useWhenPreview(words, zone)
  if (words === "") return null
  return (
    <div className="when-preview" aria-live="polite" aria-busy={preview.isFetching}>
      {preview.error !== null
        ? <Refusal error={preview.error} />
        : preview.data === undefined
        ? <p className="faint">Asking the host …</p>
        : (
          <>
            <p>
              <strong>{visible(preview.data.said)}</strong>
            </p>
            {preview.data.slots.length === 0
              ? <p className="faint">None is to come.</p>
              : <SlotList slots={preview.data.slots} timezone={zone} />}
          </>
        )}
    </div>
  )
}
