//! Panels and rows as Grafana reads them, laid out three in a line.

use serde_json::{Value, json};

/// A titled row of panels.
pub(super) struct Row {
    title: String,
    folded: bool,
    pub(super) panels: Vec<Panel>,
}

/// One panel.
pub(super) struct Panel {
    title: String,
    kind: Kind,
    unit: Unit,
    /// Queries, each with the legend of its series.
    pub(super) queries: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Series,
    Stat,
    Table,
}

/// What a panel's numbers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many; more than none is bad.
    Bad,
    Count,
    PerSecond,
    Seconds,
    /// A part of one.
    Share,
}

const COLUMNS: u64 = 24;

impl Row {
    pub(super) fn open(title: &str, panels: Vec<Panel>) -> Self {
        Self { title: title.to_owned(), folded: false, panels }
    }

    pub(super) fn closed(title: &str, panels: Vec<Panel>) -> Self {
        Self { title: title.to_owned(), folded: true, panels }
    }
}

impl Panel {
    pub(super) fn series(title: &str, unit: Unit) -> Self {
        Self { title: title.to_owned(), kind: Kind::Series, unit, queries: Vec::new() }
    }

    pub(super) fn stat(title: &str, query: &str, unit: Unit) -> Self {
        Self { title: title.to_owned(), kind: Kind::Stat, unit, queries: Vec::new() }.query(query, "")
    }

    pub(super) fn table(title: &str) -> Self {
        Self { title: title.to_owned(), kind: Kind::Table, unit: Unit::Seconds, queries: Vec::new() }
    }

    pub(super) fn query(mut self, query: &str, legend: &str) -> Self {
        self.queries.push((query.to_owned(), legend.to_owned()));
        self
    }

    fn size(&self) -> (u64, u64) {
        match self.kind {
            Kind::Stat => (4, 4),
            Kind::Series | Kind::Table => (8, 8),
        }
    }

    fn json(&self, id: u64, x: u64, y: u64) -> Value {
        let (w, h) = self.size();
        let datasource = json!({"type": "prometheus", "uid": "${datasource}"});
        let targets = self.queries.iter().zip('A'..).map(|((query, legend), letter)| {
            json!({
                "refId": letter.to_string(),
                "datasource": datasource,
                "expr": query,
                "legendFormat": legend,
                "instant": self.kind != Kind::Series,
                "range": self.kind == Kind::Series,
                "format": if self.kind == Kind::Table { "table" } else { "time_series" },
            })
        });
        json!({
            "id": id,
            "type": self.kind.as_str(),
            "title": self.title,
            "datasource": datasource,
            "gridPos": {"x": x, "y": y, "w": w, "h": h},
            "fieldConfig": {"defaults": self.unit.json(), "overrides": []},
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Series => "timeseries",
            Self::Stat => "stat",
            Self::Table => "table",
        }
    }
}

impl Unit {
    fn json(self) -> Value {
        let (unit, bad) = match self {
            Self::Bad => ("none", Some(1)),
            Self::Count => ("short", None),
            Self::PerSecond => ("ops", None),
            Self::Seconds => ("s", None),
            Self::Share => ("percentunit", Some(1)),
        };
        let mut steps = vec![json!({"color": "green", "value": null})];
        steps.extend(bad.map(|bad| json!({"color": "red", "value": bad})));
        json!({"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}})
    }
}

/// All panels with their places. Those of a folded row lie within the row.
pub(super) fn json(rows: &[Row]) -> Value {
    let (mut placed, mut id, mut y) = (Vec::new(), 0, 0);
    for row in rows {
        id += 1;
        let header = (id, y);
        let (mut panels, mut x, mut tallest) = (Vec::new(), 0, 0);
        y += 1;
        for panel in &row.panels {
            let (w, h) = panel.size();
            if x + w > COLUMNS {
                (x, y) = (0, y + tallest);
            }
            id += 1;
            panels.push(panel.json(id, x, y));
            (x, tallest) = (x + w, h);
        }
        y += tallest;
        let (inside, outside) = if row.folded { (panels, Vec::new()) } else { (Vec::new(), panels) };
        placed.push(json!({
            "id": header.0,
            "type": "row",
            "title": row.title,
            "collapsed": row.folded,
            "gridPos": {"x": 0, "y": header.1, "w": COLUMNS, "h": 1},
            "panels": inside,
        }));
        placed.extend(outside);
    }
    Value::Array(placed)
}
