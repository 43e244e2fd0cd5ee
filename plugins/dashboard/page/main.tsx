/** The operator's page. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { Problem } from "./api/client.ts"
import { NoticesProvider } from "./parts/Notices.tsx"
import { router } from "./router.tsx"
import { Session } from "./shell/Session.tsx"
import { applyTheme } from "./shell/theme.ts"
import "./styles/base.css"
import "./styles/parts.css"

applyTheme()

const client = new QueryClient({
  defaultOptions: {
    // The host is on this machine, or behind a tunnel: whether the browser has a network says nothing of it. And an act of the
    // operator is refused where the host is not there; it is not kept to be done at another time.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      // Rows of the audit say when an answer is old.
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      // What the host has refused it refuses again; whoever does not answer may come back.
      retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      retryDelay: 500
    }
  }
})

const place = document.getElementById("root")
if (place === null) throw new Error("The page has no place to show itself.")

createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <NoticesProvider>
        <Session>
          <RouterProvider router={router} />
        </Session>
      </NoticesProvider>
    </QueryClientProvider>
  </StrictMode>
)
