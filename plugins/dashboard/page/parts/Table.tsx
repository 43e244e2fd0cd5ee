/**
 * A table of records. On a phone each row is a block with the columns' names before the values. For lists that can be very
 * long see `parts/LongList.tsx`.
 */
import { type CellData, type ColumnDef, createColumnHelper, tableFeatures, useTable } from "@tanstack/react-table"
import { Button } from "./Action.tsx"

const features = tableFeatures({})
type Features = typeof features

/** Makes columns: `columnsOf<Job>()((column) => [column.accessor("kind", { header: "Kind" }), …])`, outside of a component. */
export const columnsOf = <A extends object>() =>
(
  make: (column: ReturnType<typeof createColumnHelper<Features, A>>) => ReadonlyArray<ColumnDef<Features, A, CellData>>
): ReadonlyArray<ColumnDef<Features, A, CellData>> => make(createColumnHelper<Features, A>())

export interface TableProps<A extends object> {
  /** Read out by a screen reader. */
  readonly caption: string
  readonly columns: ReadonlyArray<ColumnDef<Features, A, CellData>>
  readonly rows: ReadonlyArray<A>
  readonly idOf: (row: A) => string
}

export const Table = <A extends object>({ caption, columns, idOf, rows }: TableProps<A>) => {
  const table = useTable({
    features,
    columns: columns as Array<ColumnDef<Features, A, CellData>>,
    data: rows,
    getRowId: idOf
  })
  return (
    <div className="table-frame" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption className="unseen">{caption}</caption>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => (
                <th key={header.id} scope="col">
                  {header.isPlaceholder ? null : <table.FlexRender header={header} />}
                </th>
              ))}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id}>
              {row.getAllCells().map((cell) => {
                const header = cell.column.columnDef.header
                return (
                  <td key={cell.id} data-label={typeof header === "string" ? header : undefined}>
                    <table.FlexRender cell={cell} />
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Asks for the next page of a list, where there is one. */
export const More = (
  { list }: { readonly list: { readonly isMore: boolean; readonly isAsking: boolean; readonly more: () => void } }
) => list.isMore ? <Button onClick={list.more} busy={list.isAsking}>Show more</Button> : null
