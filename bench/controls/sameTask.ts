/** What bare piscina runs: gives back what it is given. */
export default ({ n }: { readonly n: number }): { readonly n: number } => ({ n })
