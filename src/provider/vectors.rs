//! Reads vectors from an answer in OpenAI's format, and checks them.

use serde_json::Value;

use super::answer::Wrong;

/// Returns the vectors of `count` texts in the texts' order, each of length 1. The answer may have
/// them in any order, as numbers or as base64 of little-endian f32. `dim` is the required number of
/// components.
pub(super) fn vectors(body: &Value, count: usize, dim: Option<usize>) -> Result<Vec<Vec<f32>>, Wrong> {
    let data = body.get("data").and_then(Value::as_array);
    let data = data.ok_or_else(|| Wrong::about_all("the list 'data' is missing"))?;
    if data.len() != count {
        return Err(Wrong::about_all(format!("{} vectors for {count} texts", data.len())));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; count];
    for (place, item) in data.iter().enumerate() {
        // Some servers leave out the index if the vectors are in the texts' order.
        let index = match item.get("index") {
            None | Some(Value::Null) => place,
            Some(index) => index.as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX),
        };
        let slot = vectors
            .get_mut(index)
            .ok_or_else(|| Wrong::about_all(format!("a vector has the index {}", item["index"])))?;
        if slot.is_some() {
            return Err(Wrong::about(index, "two vectors have the same index"));
        }
        let vector = numbers(item.get("embedding")).and_then(|vector| sound(vector, dim));
        *slot = Some(vector.map_err(|message| Wrong::about(index, message))?);
    }
    vectors.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| Wrong::about_all("a vector is missing"))
}

fn numbers(embedding: Option<&Value>) -> Result<Vec<f32>, String> {
    match embedding {
        Some(Value::String(text)) => {
            let bytes = decoded(text)?;
            let (components, rest) = bytes.as_chunks::<4>();
            match rest.is_empty() {
                true => Ok(components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
                false => Err(format!("the vector has {} bytes, not a multiple of 4", bytes.len())),
            }
        }
        Some(Value::Array(numbers)) => {
            let number = |value: &Value| value.as_f64().map(|number| number as f32);
            numbers.iter().map(number).collect::<Option<_>>().ok_or_else(|| "a component is not a number".to_owned())
        }
        _ => Err("the vector is missing".into()),
    }
}

#[cfg(feature = "remote")]
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).map_err(|error| format!("the vector is not valid base64: {error}"))
}

#[cfg(not(feature = "remote"))]
fn decoded(_: &str) -> Result<Vec<u8>, String> {
    Err("this build of nearsort has no remote support; rebuild with `--features remote`".into())
}

/// Checks a vector and scales it to length 1.
fn sound(mut vector: Vec<f32>, dim: Option<usize>) -> Result<Vec<f32>, String> {
    if let Some(dim) = dim.filter(|&dim| dim != vector.len()) {
        return Err(format!("the vector has {} components instead of {dim}; set the number with `dim=`", vector.len()));
    }
    if let Some(component) = vector.iter().find(|component| !component.is_finite()) {
        return Err(format!("a component is {component}"));
    }
    let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length == 0.0 {
        return Err("all components are 0".into());
    }
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    Ok(vector)
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    use super::*;

    fn data(items: Value) -> Value {
        json!({ "data": items })
    }

    #[test]
    fn vectors_come_back_in_the_texts_order_as_numbers_or_base64() {
        let base64 = BASE64_STANDARD.encode([3.0_f32, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
        let shuffled = data(json!([{"index": 1, "embedding": base64}, {"index": 0, "embedding": [0, -2]}]));
        assert_eq!(vectors(&shuffled, 2, Some(2)), Ok(vec![vec![0.0, -1.0], vec![0.6, 0.8]]));
        assert_eq!(vectors(&data(json!([{"embedding": [2.0]}])), 1, None), Ok(vec![vec![1.0]]));
    }

    #[test]
    fn every_fault_is_an_error_and_names_the_text_where_it_can() {
        let one = |embedding: Value| data(json!([{"index": 0, "embedding": embedding}]));
        let nan = BASE64_STANDARD.encode([f32::NAN.to_le_bytes(), 1.0_f32.to_le_bytes()].concat());
        let cases = [
            (json!({}), None, "the list 'data' is missing"),
            (data(json!([])), None, "0 vectors for 1"),
            (data(json!([{"index": 3, "embedding": [1, 2]}])), None, "index 3"),
            (data(json!([{"index": -1, "embedding": [1, 2]}])), None, "index -1"),
            (data(json!([{"index": 0}])), Some(0), "missing"),
            (one(json!(null)), Some(0), "missing"),
            (one(json!([1, "x"])), Some(0), "not a number"),
            (one(json!([1, null])), Some(0), "not a number"),
            (one(json!([1, 1e300])), Some(0), "inf"),
            (one(json!(nan)), Some(0), "NaN"),
            (one(json!("AAA=")), Some(0), "not a multiple of 4"),
            (one(json!("???")), Some(0), "not valid base64"),
            (one(json!([1, 2, 3])), Some(0), "3 components instead of 2"),
            (one(json!([0, 0])), Some(0), "all components"),
        ];
        for (body, index, said) in cases {
            let wrong = vectors(&body, 1, Some(2)).unwrap_err();
            assert!(wrong.index == index && wrong.message.contains(said), "{body}: {wrong:?}");
        }
        let twice = data(json!([{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]));
        assert_eq!(vectors(&twice, 2, Some(2)).unwrap_err().index, Some(0));
    }
}
