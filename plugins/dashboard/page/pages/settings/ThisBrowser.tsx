/** What is of this browser: how it shows the page, that it is logged in, and how another one gets there. */
import { useState } from "react"
import { post, sessionIsOver } from "../../api/client.ts"
import { Button, useAction } from "../../parts/Action.tsx"
import { Confirm } from "../../parts/Confirm.tsx"
import { Card } from "../../parts/Page.tsx"
import { chooseTheme, chosenTheme, type Theme, themes } from "../../shell/theme.ts"

const words: Readonly<Record<Theme, string>> = { system: "As the system has it", light: "Light", dark: "Dark" }

export const Look = () => {
  const [theme, setTheme] = useState(chosenTheme)
  const choose = (next: Theme) => {
    chooseTheme(next)
    setTheme(next)
  }
  return (
    <Card title="Look">
      <fieldset className="choices">
        <legend>Colours of the page, in this browser</legend>
        {themes.map((one) => (
          <label key={one}>
            <input type="radio" name="theme" value={one} checked={theme === one} onChange={() => choose(one)} />{" "}
            {words[one]}
          </label>
        ))}
      </fieldset>
    </Card>
  )
}

export const Session = () => {
  const [isAsking, setIsAsking] = useState(false)
  const logOut = useAction({
    run: () => post("/logout"),
    touches: [],
    onDone: sessionIsOver
  })
  return (
    <Card title="Session">
      <p className="settings-note">
        This browser is logged in for 30 days from the login on, also when SYRIS is started again.
      </p>
      <div className="actions">
        <Button busy={logOut.isPending} onClick={() => logOut.mutate(undefined)}>Log out here</Button>
        <Button tone="bad" onClick={() => setIsAsking(true)}>Log out everywhere …</Button>
      </div>
      {isAsking && <Everywhere onClose={() => setIsAsking(false)} />}
      <h3 className="settings-sub">On another machine or a phone</h3>
      <p className="settings-note">
        On the machine where SYRIS runs, <code>npm run syris open</code>{" "}
        prints a link that is good once, for five minutes. It opens on this machine; elsewhere it needs a tunnel that
        keeps the port, such as
      </p>
      <pre
        className="code"
        tabIndex={0}
      >{`ssh -L ${location.port}:127.0.0.1:${location.port} you@the-machine-that-runs-syris`}</pre>
      <p className="settings-note">
        Then the link opens there as it was printed. More of it, phones too: <code>docs/page.md</code>.
      </p>
    </Card>
  )
}

const Everywhere = ({ onClose }: { readonly onClose: () => void }) => {
  const logOut = useAction({
    run: () => post("/logout", { everywhere: true }),
    touches: [],
    onDone: sessionIsOver,
    tellsRefusal: false
  })
  return (
    <Confirm
      title="Log out everywhere"
      tone="bad"
      yes="Log out everywhere"
      no="Stay logged in"
      act={logOut}
      onYes={() => logOut.mutate(undefined)}
      onClose={onClose}
    >
      <p>
        Every browser is logged out, this one too, and links that were printed and not opened are good no more. To log
        in again, type <code>npm run syris open</code> where SYRIS runs. Programs that use the token go on.
      </p>
    </Confirm>
  )
}
