/** How the page is built: one entry, a file for each screen, nothing inline, nothing from elsewhere. */
import react from "@vitejs/plugin-react"
import * as path from "node:path"
import { defineConfig } from "vite"

export default defineConfig({
  base: "/plugins/dashboard/",
  plugins: [react()],
  resolve: {
    alias: {
      "syris/visible": path.join(import.meta.dirname, "../../../core/contract/Visible.ts"),
      "syris/words": path.join(import.meta.dirname, "../../../core/contract/words/index.ts")
    }
  },
  build: {
    target: "es2024",
    // What is inlined as `data:` the security policy would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false
  }
})
