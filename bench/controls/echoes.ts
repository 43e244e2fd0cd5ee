/** Deno by a bare pipe: gives back each line that it reads. */
declare const Deno: {
  readonly stdin: { readonly readable: ReadableStream<Uint8Array> }
  readonly stdout: { readonly writable: WritableStream<Uint8Array> }
}

await Deno.stdin.readable.pipeTo(Deno.stdout.writable)
