"""What `frozen_record` asks of the service: every route, with requests drawn from the released studios."""

import http.client
import json
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

API = "/api/v1"
LEVERS = {  # each by the column that shows where a studio is, and a value for one that does not show it
    "retention_rate": ("retention_rate", 0.93),
    "avg_ticket_price": ("avg_ticket_price", 120.0),
    "class_attendance_rate": ("class_attendance_rate", 0.65),
    "new_members_monthly": ("new_members", 20.0),
    "staff_utilization_rate": ("staff_utilization_rate", 0.8),
    "upsell_rate": ("upsell_rate", 0.15),
    "total_classes_held": ("total_classes_held", 150.0),
    "current_member_count": ("total_members", 300.0),
}
FORWARD = {"free": 60, "single": 158, "several": 60, "plan": 60, "past": 40, "levels": 30}
FORWARD |= {"status_quo": 30, "uncertain": 24, "new": 16, "refused": 22}
INVERSE = {"month": 20, "total": 15, "frozen": 12, "costs": 12, "unreachable": 10, "current": 10, "limits": 8}
INVERSE |= {"least_change": 5, "past": 4, "new": 4}
STEP = {"from_month": 13, "levers": {}}
REFUSED: tuple[dict[str, Any] | bytes, ...] = (
    {"studio_id": "none-such"}, {"studio_id": 5}, {"studio_id": ""}, {"extra": 1}, {"projection_months": 13},
    {"projection_months": "3"}, {"interval_levels": []}, {"interval_levels": [0.9, 0.9]}, {"levers": None},
    {"base_month": "2024-13-01"}, {"base_month": "1990-01-01"}, {"base_month": "2090-01-01"},
    {"lever_plan": [STEP]},
    {"levers": {"retention_rate": 1.2, "avg_ticket_price": -1.0}}, {"levers": {"price": 100.0}},
    {"lever_plan": [STEP | {"from_month": 3, "levers": {"upsell_rate": 0.2}}]},
    {"execution_uncertainty": 0.7},
    b"", b"{", b"[]", b'{"studio_id": NaN}', b'{"studio_id": "\xff"}',
)  # fmt: skip


@dataclass
class Client:
    add: Callable[..., None]
    port: int
    draw: random.Random

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            text = answer.read().decode()
        is_json = "json" in told.get("content-type", "")
        return answer.status, told, json.loads(text) if is_json and text else text

    def ask(self, file: str, path: str, body: Any = None, method: str = "", **headers: str) -> Any:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        status, told, answer = self.send(
            method, API + path, raw, **{"Content-Type": "application/json"} | headers
        )
        kept = {name: told[name] for name in told if name not in ("date", "content-length")}
        shown = str(body) if isinstance(body, bytes) else body
        self.add(file, method=method, path=path, request=shown, status=status, headers=kept, answer=answer)
        return answer

    def near(self, now: dict[str, Any], names: list[str], far: float = 1.0) -> dict[str, float]:
        """Values of levers around where a studio is."""
        found = {}
        for name in names:
            column, usual = LEVERS[name]
            value = (now.get(column) or usual) * (1 + far * self.draw.uniform(-0.15, 0.2))
            found[name] = round(min(value, 0.995) if name.endswith("rate") else value, 4)
        return found

    def forward(self, kind: str, number: int, months: list[dict[str, Any]], studio: str) -> dict[str, Any]:
        draw, names, now = self.draw, [*LEVERS], months[-1]
        body: dict[str, Any] = {"studio_id": studio, "projection_months": draw.choice((1, 2, 3, 6, 12))}
        body["include_confidence_intervals"] = draw.random() < 0.7
        if kind == "single":
            body["levers"] = self.near(now, [names[number % 8]], far=draw.choice((0.2, 1, 3)))
        elif kind not in ("free", "past") or draw.random() < 0.3:
            body["levers"] = self.near(now, draw.sample(names, draw.randint(2, 7)))
        if kind == "plan":
            steps = [(month, draw.sample(names[:7], draw.randint(1, 3))) for month in (2, 5, 9)]
            plan = [{"from_month": month, "levers": self.near(now, chosen)} for month, chosen in steps]
            body |= {"projection_months": 12, "lever_plan": plan[: draw.randint(1, 3)]}
        if kind == "past" or draw.random() < 0.05:
            body["base_month"] = draw.choice(months)["month"]
        if kind == "levels":
            levels = draw.sample((0.05, 0.5, 0.683, 0.8, 0.9, 0.95, 0.99, 0.999), draw.randint(1, 5))
            body |= {"interval_levels": levels, "include_confidence_intervals": number % 5 > 0}
        body["compare_to_status_quo"] = kind == "status_quo" or draw.random() < 0.1
        if kind == "uncertain":
            body["execution_uncertainty"] = draw.choice((0.01, 0.1, 0.5))
        if kind == "new":
            body |= {"studio_id": f"new-{number}", "levers": self.near({}, names[: 8 - (number % 6 == 5)])}
            body |= {"studio_type": "Yoga", "class_capacity": 20.0} if number % 2 else {}
        return body

    def inverse(self, kind: str, number: int, months: list[dict[str, Any]], studio: str) -> dict[str, Any]:
        draw, now, names, span = self.draw, months[-1], [*LEVERS], self.draw.choice((1, 3, 6, 12))
        target = (now["total_revenue"] or 1e4) * draw.uniform(0.95, 1.2) * (3 if kind == "unreachable" else 1)
        body: dict[str, Any] = {"studio_id": studio, "target_months": span}
        body["target_revenue"] = round(target, 2)
        if kind == "total" or draw.random() < 0.1:
            body |= {"target_kind": "total", "target_revenue": round(target * span, 2)}
        costs = {name: draw.uniform(0, 300) for name in draw.sample(names, 3)}
        limits = {"max_ticket_increase": draw.uniform(0, 60), "max_classes_increase": None}
        constraints = {"frozen": {"frozen_levers": draw.sample(names, 2)}, "costs": {"lever_costs": costs}}
        constraints |= {"limits": limits, "least_change": {"prioritize_low_cost_levers": False}}
        body["constraints"] = constraints.get(kind, {})
        if kind == "current":
            body["current_state"] = self.near(now, draw.sample(names, 3), far=0.3)
        if kind == "past":
            body["base_month"] = draw.choice(months)["month"]
        if kind == "new":
            body |= {"studio_id": f"new-{number}", "target_revenue": 4e4}
            body["current_state"] = self.near({}, names)
        return body

    def everything(self) -> None:
        chosen, past = self.reads()
        plain = self.predictions(chosen, past)
        self.inverses(chosen, past)
        self.insights(past, self.scenarios(plain, chosen))

    def reads(self) -> tuple[list[str], dict[str, Any]]:
        """Ask what needs no body; some studios, and their months."""
        known = [one["studio_id"] for one in self.ask("reads", "/studios")["studios"]]
        absent = ("/studios/none-such/history", "/none", "/insights")
        for path in ("/models", "/models/current", "/health", *absent):
            self.ask("reads", path)
        self.add("openapi", answer=self.send("GET", "/openapi.json")[2])
        page, metrics = self.send("GET", "/"), self.send("GET", "/metrics")
        self.add("reads", page=page[0], headers=sorted(page[1]))
        self.add("reads", metrics=[line for line in metrics[2].splitlines() if line.startswith("# TYPE")])
        chosen = self.draw.sample(known, min(len(known), 40))
        past = {one: self.send("GET", f"{API}/studios/{one}/history")[2]["months"] for one in chosen}
        for one in chosen[:6]:
            self.ask("reads", f"/studios/{one}/history")
        wrong = ("from=2024-02-01&to=2023-01-01", "to=x")
        for span in ("from=2023-01-01&to=2023-06-01", "from=2024-02-01", *wrong):
            self.ask("reads", f"/studios/{chosen[0]}/history?{span}")
        return chosen, past

    def predictions(self, chosen: list[str], past: dict[str, Any]) -> list[dict[str, Any]]:
        """Forward requests alone and in batches; those that are answered."""
        requests: list[dict[str, Any]] = []
        answered: list[dict[str, Any]] = []
        for kind, count in FORWARD.items():
            for number in range(count):
                studio = chosen[number % len(chosen)]
                body: Any = self.forward(kind, number, past[studio], studio)
                if kind == "refused":
                    change = REFUSED[number]
                    body = change if isinstance(change, bytes) else body | change
                if "scenario_id" in self.ask("forward", "/predict/forward", body):
                    answered.append(body)
                if isinstance(body, dict):
                    requests.append(body)
        several = [*self.draw.sample(requests, 60), requests[-1], requests[0], requests[0]]
        aggregate = {"aggregate": True}
        for more in (aggregate, aggregate | {"interval_level": 0.5}, {"interval_level": 1.5}):
            self.ask("batch", "/predict/forward/batch", {"requests": several} | more)
        return answered

    def inverses(self, chosen: list[str], past: dict[str, Any]) -> None:
        for kind, count in INVERSE.items():
            for number in range(count):
                studio = chosen[number % len(chosen)]
                self.ask("inverse", "/predict/inverse", self.inverse(kind, number, past[studio], studio))
        for wrong in ({"target_revenue": -1.0}, {"target_kind": "year"}, {"studio_id": "none-such"}):
            self.ask("inverse", "/predict/inverse", {"studio_id": chosen[0], "target_revenue": 1e4} | wrong)

    def scenarios(self, requests: list[dict[str, Any]], studios: list[str]) -> list[dict[str, Any]]:
        """Save, list, read, run again, compare and delete; what is saved in the end."""
        good = [one for one in requests if one["studio_id"] in studios[:5] and one["projection_months"] > 2]
        saved = [
            self.ask("scenarios", "/scenarios", {"name": f"Scenario {number}", "request": body})
            for number, body in enumerate(good[:18])
        ]
        earlier = self.ask("scenarios", "/predict/forward", good[18])["scenario_id"]
        saved += [
            self.ask("scenarios", "/scenarios", {"name": name, "scenario_id": earlier})
            for name in ("First", "Second")
        ]
        for wrong in ({"name": ""}, {"name": "x", "scenario_id": "none"}, {"name": "x", "request": {}}):
            self.ask("scenarios", "/scenarios", wrong)
        cursor = ""
        for _ in range(3):
            page = self.ask("scenarios", f"/scenarios?limit=7{cursor}")
            cursor = f"&cursor={page['next_cursor']}"
        ids = [one["id"] for one in saved]
        for path in (f"?studio_id={studios[0]}", f"/{ids[0]}", "/none-such", "?limit=0", "?cursor=wrong"):
            self.ask("scenarios", f"/scenarios{path}")
        for one in ids[:5]:
            self.ask("scenarios", f"/scenarios/{one}/rerun", b"", "POST")
        odd = (ids[:1], [ids[0], ids[0]], [ids[0], "none-such"])
        for chosen in (ids[:2], ids[3:6], ids[:10], ids[2:4], *odd):
            for level in (0.9, 0.5):
                given = {"scenario_ids": chosen, "interval_level": level}
                self.ask("scenarios", "/scenarios/compare", given)
        self.ask("scenarios", f"/scenarios/{ids[0]}", None, "DELETE")
        self.ask("scenarios", f"/scenarios/{ids[0]}")
        self.ask("scenarios", f"/studios/{studios[0]}/records", None, "DELETE")
        return [one for one in saved[1:] if one["studio_id"] != studios[0]]

    def insights(self, past: dict[str, Any], saved: list[dict[str, Any]]) -> None:
        studios = list(past)[:12]
        for number, studio in enumerate(studios):
            earlier = {"projection_months": 12, "base_month": past[studio][-15]["month"]}
            spans: tuple[dict[str, Any], ...] = ({}, {"projection_months": 6}, earlier)
            self.ask("insights", "/insights", {"studio_id": studio} | spans[number % 3])
        for one in saved[:8]:
            self.ask("insights", "/insights", {"studio_id": one["studio_id"], "scenario_id": one["id"]})
        for wrong in ({"studio_id": "none-such"}, {"studio_id": studios[0], "scenario_id": "none-such"}):
            self.ask("insights", "/insights", wrong)

    def guarded(self) -> None:
        """Ask with keys that open some studios, until a key has asked too often."""
        studio = {"studio_id": "studio-00001"}
        both = {"requests": [studio, {"studio_id": "studio-00012"}], "aggregate": True}
        asked = (("/studios", None), ("/predict/forward", studio), ("/predict/forward/batch", both))
        for path, body in (*asked, ("/scenarios", None), ("/health", None), ("/insights", studio)):
            for key in ("wrong", "all-studios", "few-studios", "other-studios"):
                self.ask("guards", path, body, **{"X-API-Key": key})
        self.ask("guards", "/studios")
        zipped = {"X-API-Key": "all-studios", "Content-Encoding": "gzip"}
        self.ask("guards", "/predict/forward", studio, **zipped)
        for _ in range(60):
            if self.send("GET", API + "/studios", None, **{"X-API-Key": "few-studios"})[0] != 200:
                break
        self.ask("guards", "/studios", **{"X-API-Key": "few-studios"})
