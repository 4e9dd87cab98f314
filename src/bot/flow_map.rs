//! A flow drawn as a tree from left to right: where each node's box stands, and the lines between them. Pure geometry.

use super::flow::Flow;
use serde::Serialize;

/// Size of a box and the room between boxes, in drawing units.
const WIDTH: i64 = 200;
const HEIGHT: i64 = 64;
const GAP_X: i64 = 56;
const GAP_Y: i64 = 20;

/// A node's box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Which node, by its place in the flow.
    pub node: usize,
    /// Left edge.
    pub x: i64,
    /// Upper edge.
    pub y: i64,
}

/// The whole drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Map {
    /// Width of all.
    pub width: i64,
    /// Height of all.
    pub height: i64,
    /// Width and height of one box.
    pub box_size: (i64, i64),
    /// Boxes, parents before children.
    pub boxes: Vec<Placed>,
    /// Lines from a parent's right edge to a child's left: x1, y1, x2, y2.
    pub lines: Vec<(i64, i64, i64, i64)>,
}

/// Lays a flow out: children in their order below each other, a parent beside the middle of its children.
pub fn lay_out(flow: &Flow) -> Map {
    let mut map = Map { box_size: (WIDTH, HEIGHT), ..Map::default() };
    let mut next_y = 0;
    for (at, _) in flow.nodes.iter().enumerate().filter(|(_, node)| node.parent.is_none()) {
        place(flow, at, 0, &mut next_y, &mut map);
    }
    map.width = map.boxes.iter().map(|placed| placed.x + WIDTH).max().unwrap_or(0);
    map.height = (next_y - GAP_Y).max(0);
    map
}

/// Places a node and all below it; returns its upper edge. Flows are checked to be trees, so this ends.
fn place(flow: &Flow, at: usize, depth: i64, next_y: &mut i64, map: &mut Map) -> i64 {
    let x = depth * (WIDTH + GAP_X);
    let own = map.boxes.len();
    map.boxes.push(Placed { node: at, x, y: 0 });
    let children: Vec<usize> = flow.nodes.iter().enumerate().filter(|(_, node)| node.parent.as_deref() == Some(flow.nodes[at].id.as_str())).map(|(child, _)| child).collect();
    let tops: Vec<i64> = children.into_iter().map(|child| place(flow, child, depth + 1, next_y, map)).collect();
    let y = match (tops.first(), tops.last()) {
        (Some(first), Some(last)) => (first + last) / 2,
        _ => {
            *next_y += HEIGHT + GAP_Y;
            *next_y - HEIGHT - GAP_Y
        }
    };
    map.boxes[own].y = y;
    map.lines.extend(tops.iter().map(|top| (x + WIDTH, y + HEIGHT / 2, x + WIDTH + GAP_X, top + HEIGHT / 2)));
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::flow::Node;

    #[test]
    fn parents_stand_beside_the_middle_of_their_children_and_nothing_overlaps() {
        let node = |id: &str, parent: Option<&str>| Node { id: id.into(), parent: parent.map(str::to_owned), ..Node::default() };
        let nodes = vec![node("a", None), node("b", Some("a")), node("c", Some("a")), node("d", Some("c")), node("e", Some("c")), node("f", None)];
        let map = lay_out(&Flow { nodes, ..Flow::default() });
        let at = |n: usize| map.boxes.iter().find(|placed| placed.node == n).map(|placed| (placed.x, placed.y)).unwrap();
        assert_eq!([at(0), at(1), at(2), at(3), at(4), at(5)].map(|(x, _)| x), [0, 256, 256, 512, 512, 0]);
        assert_eq!(at(2).1, (at(3).1 + at(4).1) / 2);
        assert_eq!(at(0).1, (at(1).1 + at(2).1) / 2);
        for (n, one) in map.boxes.iter().enumerate() {
            for other in &map.boxes[n + 1..] {
                assert!(one.x != other.x || (one.y - other.y).abs() >= HEIGHT + GAP_Y, "{one:?} {other:?}");
            }
        }
        assert_eq!((map.lines.len(), map.width), (4, 712));
        assert_eq!(lay_out(&Flow::default()), Map { box_size: (WIDTH, HEIGHT), ..Map::default() });
    }
}
